"""Claims on engines: types, interface, shapes, kernels, and what only a GPU can confirm."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.claims.engines import engine_claims
from pipeline.claims.graphs import graph_claims
from pipeline.records.engine import EngineRecord, ShapeRange
from pipeline.records.export import ExportRecord
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.stage import build_engines
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from tests.pipeline.claims.folders import ENGINE, made, results, states
from tests.pipeline.text_graphs import model_of


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"really": "bf16"}, f"{ENGINE} is fp16"),
        ({"high": 16}, f"{ENGINE}: seq from 1 to 32"),
        ({"dedicated": False}, f"{ENGINE}: every attention has a dedicated kernel"),
    ],
    ids=["precision", "shapes", "kernels"],
)
def test_a_broken_promise_is_found(change, claim, tmp_path):
    assert states(made(tmp_path / "honest"))[claim] == "kept"
    assert states(made(tmp_path / "d", **change))[claim] == "broken"


def claims(place, part=None, **changes):
    """Return claim -> state of the engine, its record changed."""
    artifact = place.stage("build-engine.tensorrt-fp16")
    record = EngineRecord.of(artifact)
    known = part(record.parts["model"]) if part else record.parts["model"]
    facts = replace(record, parts={"model": replace(known, **changes)}).to_json()
    exported = ExportRecord.of(place.stage("export"))
    graph = place.stage("optimize.tensorrt-fp16")
    found = engine_claims(replace(artifact, facts=facts), graph, exported, [])
    return {claim.claim: claim for claim in found}


def test_an_input_that_was_renamed_is_another_interface(tmp_path):
    place = made(tmp_path / "d")
    assert claims(place)[f"{ENGINE}: inputs and outputs are the graph's"].state == "kept"
    other = claims(place, lambda part: replace(part, outputs=part.inputs))
    broken = other[f"{ENGINE}: inputs and outputs are the graph's"]
    assert (broken.state, broken.evidence) == ("broken", "2 tensors; not the same: y")


def test_a_range_must_fit_on_every_input_that_has_it(tmp_path):
    place = made(tmp_path / "d")
    whole = EngineRecord.of(place.stage("build-engine.tensorrt-fp16")).parts["model"].profiles[0]
    short = ShapeRange((1, 2, 1, 16), (2, 2, 8, 16), (4, 2, 31, 16))
    found = claims(place, profiles=({**whole, "z": short},))[f"{ENGINE}: seq from 1 to 32"]
    assert (found.state, "take 1 to 31 on each of 2 axes" in found.evidence) == ("broken", True)
    both = claims(place, profiles=({**whole, "z": short}, whole))
    assert both[f"{ENGINE}: seq from 1 to 32"].state == "kept", "another profile has the rest"


@pytest.mark.parametrize(
    ("decomposable", "dedicated", "state"),
    [(False, True, "kept"), (False, None, "broken"), (True, True, "kept"), (True, False, None)],
)
def test_dedicated_kernels_are_claimed_where_they_were_promised_or_found(
    decomposable, dedicated, state, tmp_path
):
    place = made(tmp_path / "d", dedicated=dedicated)
    found = claims(place, decomposable=decomposable)
    claim = found.get(f"{ENGINE}: every attention has a dedicated kernel")
    assert (claim and claim.state) == state


@pytest.mark.parametrize(
    ("right", "digest", "state"),
    [(True, None, "kept"), (False, None, "broken"), (True, "older", "unchecked")],
    ids=["right", "wrong", "of another build"],
)
def test_results_from_elsewhere_settle_what_could_not_be_checked(right, digest, state, tmp_path):
    place = made(tmp_path / "d")
    place.write("results/r.json", results(place, right, digest))
    assert states(place)["model.tensorrt-fp16 engine runs on 8.0 and is right"] == state


def test_results_that_did_not_run_settle_nothing(tmp_path):
    place = made(tmp_path / "d")
    place.write("results/r.json", results(place, True, ran=False, reason="no GPU"))
    assert states(place)[f"{ENGINE} runs on 8.0 and is right"] == "unchecked"


def test_an_engine_of_an_older_graph_is_not_that_graph(tmp_path):
    place = made(tmp_path / "d")
    engine = place.stage("build-engine.tensorrt-fp16")
    exported = ExportRecord.of(place.stage("export"))
    graph_artifact = place.stage("optimize.tensorrt-fp16")
    newer = replace(graph_artifact, digest="newer")
    found = {c.claim: c for c in engine_claims(engine, newer, exported, [])}
    assert found["model.tensorrt-fp16 engine is fp16"].state == "broken"
    assert all(c.state == "kept" for c in graph_claims(graph_artifact, exported))


@pytest.mark.parametrize("precision", ["int8-weights", "int4"])
def test_an_engine_of_rounded_weights_is_what_it_says(precision, tmp_path):
    """The real builder's figures; one that had widened the codes would have twice to four times."""
    pytest.importorskip("tensorrt_rtx")
    text = "(float[B,128] x, float[128,128] w, float[128,128] v) => (float[B,128] y) "
    model = model_of(text + "{ a = MatMul(x, w) b = Relu(a) y = MatMul(b, v) }")
    numbers = np.random.default_rng(0).standard_normal((2, 128, 128)).astype("f4")
    for value, content in zip(model.graph.inputs[1:], numbers, strict=True):
        value.const_value = ir.tensor(content, name=value.name)
        model.graph.initializers.add(value)
    del model.graph.inputs[1:]
    ir.save(model, tmp_path / "m.onnx")
    place = tmp_path / "d"
    graph = optimize_model(
        OptimizeOptions(tmp_path / "m.onnx", place, target="tensorrt", precision=precision)
    )
    engine = build_engines(
        BuildEngineOptions(place, place, precision=precision, compute_capabilities=("8.9",))
    )
    record = EngineRecord.of(engine)

    def judged(weights):
        part = replace(record.parts["model"], weights_bytes=weights)
        made = replace(engine, facts=replace(record, parts={"model": part}).to_json())
        return {claim.claim: claim.state for claim in engine_claims(made, graph, None, [])}

    name = f"model.tensorrt-{precision} engine"
    honest = judged(record.parts["model"].weights_bytes)
    assert honest[f"{name} is {precision}"] == "kept"
    assert honest[f"{name} holds {precision} weights"] == "kept"
    assert judged(2 * 2 * 128 * 128)[f"{name} holds {precision} weights"] == "broken"
    assert f"{name} holds {precision} weights" not in judged(None)
