"""Claims on graphs, read from the file: types, fused attentions, names, gates."""

from dataclasses import replace

import pytest

from pipeline import optimize
from pipeline.claims.graphs import graph_claims, product_types, rounded_claim
from pipeline.graph.files.model_file import load_model
from pipeline.records.export import ExportRecord
from pipeline.records.optimize import GateRecord, IslandRecord, OptimizeRecord
from tests.pipeline.claims.folders import graph, made, states
from tests.pipeline.fusion.linear.linear_graphs import mlp

NAME = "model.tensorrt-fp16"


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"really": "fp32"}, f"{NAME} is fp16"),
        ({"fused": 3}, f"{NAME}: 3 attentions fused"),
        ({"output": "logits"}, f"{NAME}: outputs keep their names"),
    ],
    ids=["precision", "fused", "interface"],
)
def test_a_broken_promise_is_found_in_the_file(change, claim, tmp_path):
    assert states(made(tmp_path / "d", **change))[claim] == "broken"


def claims(place, **changes):
    artifact = place.stage("optimize.tensorrt-fp16")
    facts = replace(OptimizeRecord.of(artifact), **changes).to_json()
    exported = ExportRecord.of(place.stage("export"))
    return {c.claim: c for c in graph_claims(replace(artifact, facts=facts), exported)}


def test_what_was_required_is_counted(tmp_path):
    gates = (GateRecord(gate="attention=1", found=1, wanted=1),
             GateRecord(gate="norm=2", found=1, wanted=2))  # fmt: skip
    found = claims(made(tmp_path / "d"), gates=gates)
    assert found["--require attention=1"].state == "kept"
    assert found["--require norm=2"].state == "broken"
    assert found["--require norm=2"].evidence == "1 fused, 2 wanted"


@pytest.mark.parametrize(("excused", "state"), [(2, "broken"), (3, "kept")])
def test_islands_with_reasons_are_excused_and_told(excused, state, tmp_path):
    """A graph that is float32 throughout, with fewer or as many products excused as it has."""
    place = made(tmp_path / "d", really="fp32")
    part = OptimizeRecord.of(place.stage("optimize.tensorrt-fp16")).parts["model"]
    island = IslandRecord(
        count=excused, first="a", operators={"MatMul": 1, "Softmax": 1}, reasons=("range",)
    )
    typed = replace(part, typing=replace(part.typing, islands=(island,)))
    found = claims(place, parts={"model": typed})[f"{NAME} is fp16"]
    assert found.state == state
    assert f"{excused} of them in float32 islands" in found.evidence


def test_without_an_export_no_names_are_claimed(tmp_path):
    artifact = made(tmp_path / "d").stage("optimize.tensorrt-fp16")
    assert not any("names" in c.claim for c in graph_claims(artifact, None))


def test_products_without_declared_types_are_inferred(tmp_path):
    graph(tmp_path / "m.onnx", "fp32")
    model = load_model(tmp_path / "m.onnx")
    for node in model.graph:
        for value in node.outputs:
            value.dtype = None
    assert product_types(model) == {"float32": 3}


def test_rounded_products_are_counted_in_the_file():
    rounded = optimize(mlp(), precision="int4")
    assert rounded_claim("model", rounded.model, "int4", rounded.record).state == "kept"
    plain = rounded_claim("model", mlp(), "int4", rounded.record)
    assert plain.state == "broken"
    assert "0 products with rounded weights, 3 promised" in plain.evidence
