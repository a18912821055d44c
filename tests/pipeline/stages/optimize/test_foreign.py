"""Files as other tools write them: everything fused and proven, and the same numbers."""

import numpy as np
import onnx
import onnxruntime
import pytest

from pipeline.records.optimize import SiteCounts
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from tests.pipeline.foreign_files import FILES, plain

TOLERANCE = 1e-5  # float32 through two norms, outputs of order 1


def outputs(path, turn: bool) -> list[np.ndarray]:
    """Return what ONNX Runtime computes."""
    random = np.random.default_rng(0)
    feeds = {
        "x": random.standard_normal((2, 5, 32)).astype(np.float32),
        "flag": np.array(turn),
        "mask": random.standard_normal((2, 1, 1, 5)).astype(np.float32),
    }
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    known = {value.name for value in session.get_inputs()}
    return session.run(None, {name: value for name, value in feeds.items() if name in known})


CASES = [*((name, "ort-cpu") for name in FILES), ("nested functions", "tensorrt")]


@pytest.mark.parametrize(("name", "target"), CASES)
def test_all_is_fused_and_the_numbers_stay(tmp_path, name, target):
    make, attentions, norms = FILES[name]
    given, source, fused = (tmp_path / f"{n}.onnx" for n in ("given", "source", "fused"))
    onnx.save(make(), given)
    # ONNX Runtime refuses a file whose nodes share one name; they have no meaning
    onnx.save(plain() if name == "equal node names" else make(), source)
    made = optimize_model(OptimizeOptions(given, fused, target=target))
    counts = [made.record.count(name).fused for name in ("attention", "norm")]
    assert counts == [attentions, norms]
    assert all(site.proof.ok for site in made.record.sites if site.state == "fused")
    onnx.checker.check_model(str(fused), full_check=True)
    for turn in (True, False):
        for want, got in zip(outputs(source, turn), outputs(fused, turn), strict=True):
            np.testing.assert_allclose(got, want, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("name", "inside"), [("If branches, masked", 2), ("If in a Loop", 2)])
def test_for_tensorrt_attention_in_bodies_stays_written_out(tmp_path, name, inside):
    """Its builder fails on an Attention inside a branch or a loop."""
    make, attentions, norms = FILES[name]
    source, fused = (tmp_path / f"{n}.onnx" for n in ("source", "fused"))
    onnx.save(make(), source)
    made = optimize_model(OptimizeOptions(source, fused, target="tensorrt"))
    counted = SiteCounts(fused=attentions - inside, plain=0, refused=inside)
    assert made.record.count("attention") == counted
    assert made.record.count("norm").fused == norms
    for turn in (True, False):
        for want, got in zip(outputs(source, turn), outputs(fused, turn), strict=True):
            np.testing.assert_allclose(got, want, atol=TOLERANCE, rtol=0)
