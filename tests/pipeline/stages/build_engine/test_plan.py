import pytest

from pipeline.errors import BadModelError, BuildError, ClaimError
from pipeline.records.engine import ShapeRange
from tests.pipeline.builder import small

pytest.importorskip("tensorrt_rtx")

BATCH = [{n: ShapeRange((1, 2, 8, 16), (2, 2, 8, 16), (4, 2, 8, 16)) for n in "qkv"}]


@pytest.fixture(autouse=True)
def own_history(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_same_input_gives_the_same_plan(tmp_path):
    first = small.build(small.matmul(tmp_path / "a.onnx", "fp16"), ["8.0", "12.0"])
    second = small.build(small.matmul(tmp_path / "b.onnx", "fp16"), ["8.0", "12.0"])
    assert first.plan_sha256 == second.plan_sha256
    assert first.record("a.plan").targets == ("8.0", "12.0")
    assert first.memory["weights_bytes"] > 0
    assert len((tmp_path / "cache/pipeline/engine-builds.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(("dtype", "dedicated"), [("fp16", True), ("bf16", True), ("fp32", False)])
def test_dedicated_kernels_are_reported_per_site(dtype, dedicated, tmp_path):
    path = small.attention(tmp_path / "m.onnx", dtype, q=("b", 2, 8, 16))
    report = small.build(path, profiles=BATCH, check_attention=True)
    (row,) = report.attention
    assert (row.name, row.dedicated) == ("att", dedicated)
    assert bool(row.reason) != dedicated


def test_required_kernels_fail_before_the_build_and_name_the_site(tmp_path):
    path = small.attention(tmp_path / "m.onnx", "fp32", q=("b", 2, 8, 16))
    with pytest.raises(ClaimError, match="1 of 1 attentions") as caught:
        small.build(path, profiles=BATCH, decomposable=False, check_attention=True)
    assert "att" in caught.value.where
    good = small.attention(tmp_path / "g.onnx", "fp16", q=("b", 2, 8, 16))
    small.build(good, profiles=BATCH, decomposable=False, check_attention=True)


@pytest.mark.parametrize("limit", [1 << 10, 1 << 20])
def test_the_workspace_limit_is_explained(limit, tmp_path):
    path = small.attention(tmp_path / "m.onnx", "fp32", q=(8, 16, 1024, 64))
    with pytest.raises(BuildError, match="workspace is too small"):
        small.build(path, workspace_bytes=limit)


def test_nothing_is_left_behind(tmp_path):
    path = small.attention(tmp_path / "m.onnx", softcap=3.0)
    with pytest.raises(BadModelError):
        small.build(path)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["m.onnx"]


def test_a_failed_build_keeps_the_old_plan(tmp_path):
    path = small.matmul(tmp_path / "m.onnx")
    small.build(path)
    before = path.with_suffix(".plan").read_bytes()
    path.write_bytes(b"junk")
    with pytest.raises(BadModelError):
        small.build(path)
    assert path.with_suffix(".plan").read_bytes() == before


def test_tf32_weight_streaming_level_and_verbosity_are_taken(tmp_path):
    report = small.build(
        small.matmul(tmp_path / "m.onnx"),
        tf32=True,
        weight_streaming=True,
        level=1,
        verbosity="detailed",
    )
    assert report.plan_bytes > 0
    assert report.record("m.plan").tf32 is True
