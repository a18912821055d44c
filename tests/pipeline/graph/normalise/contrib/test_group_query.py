"""GroupQueryAttention in standard operators gives the same numbers, whatever its cache is."""

from types import MappingProxyType

import numpy as np
import pytest

from pipeline.graph.normalise import normalise
from pipeline.graph.normalise.contrib import ALL
from pipeline.judge import Judge
from tests.pipeline.graph.normalise.contrib.written_out import assert_stays, text
from tests.pipeline.text_graphs import feeds_of, model_of, numbers_of

QKV = "float[B,S,64] q, float[B,S,32] k, float[B,S,32] v"
PACKED = "float[B,S,128] q"
PAST = "float[B,2,P,16] pk, float[B,2,P,16] pv"
ENDS = "int32[B] ends, int32 total"
TABLES = "float[32,8] cos, float[32,8] sin"
GROWN = "float[B,S,64] y, float[B,2,U,16] a, float[B,2,U,16] b"


def node(inputs, **attributes):
    told = {"num_heads": 4, "kv_num_heads": 2, **attributes}
    shown = ", ".join(f"{name}={value}" for name, value in told.items())
    return f"y, a, b = com.microsoft.GroupQueryAttention<{shown}>({inputs})"


CASES = {
    "plain": text(f"{QKV}, {PAST}, {ENDS}", node("q, k, v, pk, pv, ends, total"), GROWN),
    "packed, rotated": text(
        f"{PACKED}, {PAST}, {ENDS}, {TABLES}",
        node("q, , , pk, pv, ends, total, cos, sin", do_rotary=1), GROWN),
    "rotated in part, in pairs": text(
        f"float[B,S,256] q, {PAST.replace('16]', '32]')}, {ENDS}, {TABLES}",
        node("q, , , pk, pv, ends, total, cos, sin",
             do_rotary=1, rotary_interleaved=1, scale="0.25"),
        "float[B,S,128] y, float[B,2,U,32] a, float[B,2,U,32] b"),
    "window, cap and scale": text(
        f"{QKV}, {PAST}, {ENDS}", node("q, k, v, pk, pv, ends, total", local_window_size=2,
                                       softcap="2.0", scale="0.3"), GROWN),
    "sink": text(f"{QKV}, {PAST}, {ENDS}, float[4] sink",
                 node("q, k, v, pk, pv, ends, total, , , , , sink"), GROWN),
}  # fmt: skip
WITHOUT_PAST = {
    "no past": text(f"{QKV}, {ENDS}", node("q, k, v, , , ends, total"), GROWN),
    "no past, bias": text(f"{QKV}, {ENDS}, float[1,4,S,S] m",
                          node("q, k, v, , , ends, total, , , , m"), GROWN),
    "no past, both ways": text(f"{QKV}, {ENDS}",
                               node("q, k, v, , , ends, total", causal=0), GROWN),
}  # fmt: skip
# name -> sizes, the longest text, each row's last position, and rows of queries that count
STEPS = MappingProxyType({
    "prompt": ({"S": 5, "P": 0}, 5, [4, 4]),
    "prompt, padded": ({"S": 5, "P": 0}, 5, [4, 2]),
    "a token more": ({"S": 1, "P": 6}, 7, [6, 6]),
    "a token more, padded": ({"S": 1, "P": 6}, 7, [6, 3]),
    "several more": ({"S": 3, "P": 4}, 7, [6]),
    "into a buffer": ({"S": 1, "P": 12}, 5, [4, 3]),
    "prompt into a buffer": ({"S": 5, "P": 12}, 5, [4, 2]),
})  # fmt: skip


def both(case, sizes, total, ends, run):
    """Return the outputs before and after; what the operator leaves open, padding, as zeros."""
    model = model_of(case)
    fed = feeds_of(model, **{"B": len(ends), **sizes})
    fed["ends"], fed["total"] = np.array(ends, np.int32), np.array(total, np.int32)
    results = [run(model, fed)]
    normalise(model, 23, frozenset())
    assert not any((node.domain, node.op_type) in ALL and node.domain for node in model.graph)
    results.append(run(model, fed))
    for y, *_ in results:
        for row, end in enumerate(ends):
            y[row, end + 1 :] = 0
    return zip(*results, strict=True)


def judged(model, fed):
    return [value.numpy().copy() for value in Judge(model, "float64").run(fed).values()]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_the_standard_form_gives_the_same_numbers(case, step):
    for before, after in both(case, *step, judged):
        np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-12)  # float64 on both sides


@pytest.mark.parametrize("case", WITHOUT_PAST.values(), ids=WITHOUT_PAST)
@pytest.mark.parametrize("ends", [[4, 4], [4, 2]])
def test_without_a_past_the_new_tokens_are_all(case, ends):
    for before, after in both(case, {"S": 5}, 5, ends, judged):
        np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_onnx_runtime_agrees(case, step):
    """The judge is ours: the operator's own kernel is asked as well."""

    def run(model, fed):
        return [array.copy() for array in numbers_of(model, fed)]

    for before, after in both(case, *step, run):
        assert after.dtype == before.dtype
        np.testing.assert_allclose(after, before, rtol=2e-5, atol=2e-6)  # float32 kernels


def test_a_total_that_nothing_adds_up_to_reads_nothing_beyond_the_cache():
    """Made-up sizes: the operator itself leaves what it gives open."""
    for _, after in both(CASES["plain"], {"S": 2, "P": 1}, 9, [8], judged):
        assert np.isfinite(after).all()


LEFT = {
    "positions": text(
        f"{QKV}, {PAST}, {ENDS}, {TABLES}, int64[B,S] at",
        node("q, k, v, pk, pv, ends, total, cos, sin, at", do_rotary=1), GROWN),
    "bias over a cache": text(
        f"{QKV}, {PAST}, {ENDS}, float[1,4,S,U] m",
        node("q, k, v, pk, pv, ends, total, , , , m"), GROWN),
    "smooth softmax": text(
        f"{QKV}, {PAST}, {ENDS}", node("q, k, v, pk, pv, ends, total", smooth_softmax=1), GROWN),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT.values(), ids=LEFT)
def test_forms_without_a_standard_one_stay(case):
    assert_stays(case)
