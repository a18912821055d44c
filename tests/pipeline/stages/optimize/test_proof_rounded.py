"""Rounded products: right ones pass for every form, each kind of wrong one is caught."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from pipeline.fusion.construct import Pass
from pipeline.fusion.linear.codes import round_weights
from pipeline.fusion.linear.find import TABLE_BYTES, find_linears, find_tables
from pipeline.fusion.linear.forms import EIGHT, FOUR, FOUR_POSITIVE, Form, Meaning
from pipeline.fusion.linear.lower_blocks import RoundInBlocks
from pipeline.fusion.linear.lower_dynamic import RoundBoth
from pipeline.fusion.linear.lower_standard import RoundWeights
from pipeline.fusion.linear.lower_table import RoundTable
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from pipeline.judge import Judge
from pipeline.stages.optimize.proof import Prover
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline.fusion.linear.linear_graphs import mlp, with_weights

FLOAT = ir.DataType.FLOAT
CALM = {"noise": 0.01}


def quiet(graph, facts):
    """Yield the products of a graph as if their inputs had been watched and were even."""
    for site in find_linears(graph, facts):
        yield replace(site, **CALM)


def outcomes(model: ir.Model, lowering: Any, find=quiet):
    rewriter = Rewriter(model, Facts(model), Prover())
    made = rewriter.run([Pass("linear", find, (lowering,))])
    model.graph.sort()
    model.graph.opset_imports.setdefault("com.microsoft", 1)
    return made


RIGHT = [
    RoundInBlocks(EIGHT, EIGHT), RoundInBlocks(FOUR, EIGHT), RoundWeights(EIGHT, EIGHT),
    RoundWeights(FOUR, EIGHT), RoundWeights(FOUR_POSITIVE, EIGHT), RoundBoth(),
    RoundBoth(standard=True),
]  # fmt: skip


@pytest.mark.parametrize("lowering", RIGHT, ids=lambda x: f"{x.name}{getattr(x, 'form', x)}"[:60])
def test_every_form_is_proven_and_close_to_the_weights(lowering):
    model, feeds = mlp(), {"x": np.random.default_rng(1).standard_normal((2, 5, 64), np.float32)}
    want = Judge(mlp(), "float64").run(feeds)["y"].numpy()
    made = outcomes(model, lowering)
    heads = isinstance(lowering, RoundBoth)  # which leaves them to blocks
    assert [o.state for o in made] == ["fused"] * (2 if heads else 3), [o.refusal for o in made]
    assert all(o.certificate.runs == 6 for o in made)
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    (got,) = session.run(None, feeds)
    off = np.sqrt(np.square(got - want).mean() / np.square(want).mean())
    bits = 4 if getattr(lowering, "form", EIGHT).bits == 4 else 8
    assert off < {8: 0.02, 4: 0.2}[bits]


def test_tables_are_proven():
    rows = TABLE_BYTES // 4 // 64
    text = f"(int64[B,S] i, float[{rows},64] t) => (float[B,S,64] y) {{ y = Gather(t, i) }}"
    (made,) = outcomes(with_weights(text, t=(rows, 64)), RoundTable(), find_tables)
    assert made.state == "fused"


@dataclass(frozen=True)
class Lie:
    """A right lowering, and something done to what it wrote."""

    true: Any
    spoil: Any
    name: str = "lie"
    opset: int = 21

    def lower(self, site, emit: Emitter):
        result = self.true.lower(site, emit)
        self.spoil(emit)
        return result

    def meaning(self, site):
        return self.true.meaning(site)


def stored(emit: Emitter, dtype: str, change: Any) -> None:
    """Change the constants of one type in place of what the lowering stored."""
    for value in emit.constants:
        array = value.const_value.numpy()
        if str(array.dtype) == dtype and array.size > 1:
            value.const_value = ir.tensor(change(array).astype(array.dtype))


def input_to(emit: Emitter, op: str, place: int, array: np.ndarray) -> None:
    for node in emit.nodes:
        if node.op_type == op:
            node.replace_input_with(place, emit.weight(array))


SMALL = Form(4, 16)
FOURS, BOTH, PLAIN = RoundInBlocks(FOUR, FOUR), RoundBoth(), RoundWeights(SMALL, SMALL)
EIGHTS = RoundInBlocks(EIGHT, EIGHT)


def one_off(codes: np.ndarray) -> np.ndarray:
    changed = codes.copy()
    changed.reshape(-1)[77] += 1
    return changed


LIES = {
    "nibbles reversed": (FOURS, lambda e: stored(e, "uint8", lambda a: (a >> 4) | (a << 4))),
    "codes around 0": (EIGHTS, lambda e: stored(e, "uint8", lambda a: a ^ 0x80)),
    "one code off by one": (EIGHTS, lambda e: stored(e, "uint8", one_off)),
    "scales of the next row": (FOURS, lambda e: stored(e, "float32", lambda a: np.roll(a, 1, 0))),
    "scales without a sign": (FOURS, lambda e: stored(e, "float32", np.abs)),
    "stale scales": (EIGHTS, lambda e: stored(e, "float32", lambda a: a * np.float32(1.01))),
    "columns as rows": (BOTH, lambda e: stored(e, "int8", lambda a: a.T.copy().reshape(a.shape))),
    "no zero point": (BOTH, lambda e: input_to(e, "MatMulIntegerToFloat", 4, np.uint8(0))),
    "another of two zeros": (
        BOTH,
        lambda e: stored(e, "int8", lambda a: np.where(a < 0, a + 1, a)),
    ),
    "saturated codes": (BOTH, lambda e: stored(e, "int8", lambda a: a.clip(-64, 63))),
    "blocks reversed": (PLAIN, lambda e: stored(e, "float32", lambda a: a[::-1])),
    "codes of another row": (PLAIN, lambda e: stored(e, "int4", lambda a: np.roll(a, 1, 0))),
}


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_caught_and_nothing_is_committed(lie):
    true, spoil = LIES[lie]
    model = mlp()
    before = [n.op_type for n in model.graph]
    made = outcomes(model, Lie(true, spoil))
    assert {o.state for o in made} == {"refused"}, lie
    assert all("proof failed" in o.refusal.reason for o in made)
    assert [n.op_type for n in model.graph] == before


def test_a_kernel_that_adds_pairs_in_sixteen_bits_is_caught(monkeypatch):
    """Without VNNI, u8 by s8 products are added in pairs that saturate at 32767."""
    from pipeline.stages.optimize import proof_rounded

    class Saturating(proof_rounded.Candidate):
        def run(self, feeds):
            (value,) = [
                v for v in self.model.graph.initializers.values() if v.dtype == ir.DataType.INT8
            ]
            codes = value.const_value.numpy().astype(np.int64)
            x = feeds["i0"].reshape(-1, len(codes))
            step = max(float(x.max()) - float(x.min()), 1e-9) / 255
            whole = np.rint((x - x.min()) / step).astype(np.int64)
            pairs = whole[:, ::2, None] * codes[::2] + whole[:, 1::2, None] * codes[1::2]
            lost = (pairs - pairs.clip(-32768, 32767)).sum(axis=1)
            (found,) = super().run(feeds).values()
            scales = self.model.graph.initializers
            arrays = [v.const_value.numpy() for v in scales.values() if v.dtype == FLOAT]
            size = max(np.abs(a).max() for a in arrays if a.size == codes.shape[1])
            return {"o0": found - (lost * step * size).reshape(found.shape).astype(np.float32)}

        def __init__(self, model):
            self.model = model
            super().__init__(model)

    monkeypatch.setattr(proof_rounded, "Candidate", Saturating)
    made = outcomes(mlp(), BOTH)
    assert {o.state for o in made} == {"refused"}


def test_codes_of_other_weights_are_caught():
    """What the codes stand for must be the weights, not only what the kernel says of the codes."""

    @dataclass(frozen=True)
    class Other(Lie):
        def meaning(self, site):
            weights = site.matrix()[::-1]
            return Meaning(round_weights(weights, 8, 64, signed_scales=False), site, 64)

    made = outcomes(mlp(), Other(EIGHTS, lambda emit: None))
    assert {o.state for o in made} == {"refused"}
    assert all("of the weights off" in o.refusal.reason for o in made)
