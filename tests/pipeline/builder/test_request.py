from pathlib import Path

from pipeline.builder.request import PlanRequest
from pipeline.records.engine import ShapeRange


def test_a_request_survives_the_trip_to_the_child():
    request = PlanRequest(
        "build",
        "tensorrt-rtx",
        Path("a b.onnx"),
        Path("x.plan"),
        ("8.0", "12.0"),
        ({"x": ShapeRange((1, 2), (3, 4), (5, 6))}, {}),
        workspace_bytes=1 << 30,
        level=3,
        timing_cache=Path("t.cache"),
        decomposable=False,
    )
    assert PlanRequest.from_json(request.to_json()) == request
    plain = PlanRequest("probe", "tensorrt", Path("m"), Path("p"))
    assert PlanRequest.from_json(plain.to_json()) == plain
