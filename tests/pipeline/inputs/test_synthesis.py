"""Inputs that agree with the graph: ids, masks, positions, sizes, styles."""

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.errors import BadModelError, UsageError
from pipeline.inputs import STYLES, choose_dims, synthesize
from pipeline.judge import Judge
from tests.pipeline.inputs.graphs import DECODER, ENCODER, PADDED, parsed
from tests.pipeline.text_graphs import model_of


def judged(model: ir.Model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    return Judge(model).run(feeds)["out"].numpy()


@pytest.fixture(params=["encoder", "decoder", "padded"])
def model(request):
    text = {"encoder": ENCODER, "decoder": DECODER, "padded": PADDED}[request.param]
    return parsed(text)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_runs_and_is_finite(model, style):
    out = judged(model, synthesize(model, seed=3, style=style))
    hidden_whole = style == "masked-rows" and "pad" in {v.name for v in model.graph.inputs}
    # -inf in every key of a row is NaN by the graph's own definition.
    assert np.isfinite(out).all() != hidden_whole


@pytest.mark.parametrize("variant", range(4))
def test_every_variant_runs(model, variant):
    dims = choose_dims(model, variant)
    assert np.isfinite(judged(model, synthesize(model, dims))).all()


def test_two_variants_differ_in_every_free_size(model):
    first, second = choose_dims(model, 0), choose_dims(model, 1)
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)


def test_ids_stay_below_their_table_and_positions_below_theirs():
    feeds = synthesize(parsed(DECODER), {"seq": 40, "batch": 50}, style="padded")
    assert feeds["tokens"].max() == 49
    assert feeds["tokens"].min() >= 0
    # The table has 30 rows and the graph adds 2.
    assert feeds["position_ids"].max() == 27


def test_a_mask_only_indexed_is_as_long_as_the_keys():
    model = parsed(DECODER)
    feeds = synthesize(model, {"past": 5, "seq": 3})
    assert feeds["keep"].shape[1] == 8
    assert feeds["position_ids"].tolist() == [[5, 6, 7]] * 2
    assert synthesize(model, {"total": 9, "seq": 2})["k"].shape[2] == 7


def test_positions_count_visible_keys():
    feeds = synthesize(parsed(DECODER), {"past": 2, "seq": 4}, 1, "left-padded")
    counted = np.maximum(np.cumsum(feeds["keep"], 1) - 1, 0)
    assert (feeds["keep"][-1] == 0).any()
    np.testing.assert_array_equal(feeds["position_ids"], counted[:, 2:])


@pytest.mark.parametrize("text", [ENCODER, PADDED], ids=["1 keeps", "True hides"])
def test_plain_hides_nothing_and_padding_hides_the_end(text):
    model = parsed(text)
    name = "keep" if text is ENCODER else "pad"
    shows = 1 if text is ENCODER else 0
    assert (synthesize(model)[name] == shows).all()
    padded = synthesize(model, style="padded")[name] == shows
    assert padded[0].all()
    assert not padded[1].all()
    assert (np.diff(padded.astype(int), axis=1) <= 0).all()


def test_hidden_keys_do_not_matter():
    """The synthesised mask really masks: changing hidden tokens changes no visible row."""
    model = parsed(ENCODER)
    feeds = synthesize(model, style="padded")
    before = judged(model, feeds)
    other = {**feeds, "tokens": np.where(feeds["keep"] == 1, feeds["tokens"], 7)}
    after = judged(model, other)
    np.testing.assert_allclose(before[feeds["keep"] == 1], after[feeds["keep"] == 1], rtol=1e-12)


def test_a_seed_repeats_and_another_differs(model):
    first, again = synthesize(model, seed=1), synthesize(model, seed=1)
    other = synthesize(model, seed=2)
    assert all(np.array_equal(first[n], again[n]) for n in first)
    assert any(not np.array_equal(first[n], other[n]) for n in first)


def test_length_one_and_large():
    model = parsed(PADDED)
    assert synthesize(model, {"batch": 3, "seq": 9}, style="length-1")["x"].shape == (3, 1, 4)
    assert np.abs(synthesize(model, style="large")["x"]).max() > 256  # its square is inf in fp16


def test_unknown_names_and_contradictions_are_explained():
    model = parsed(DECODER)
    with pytest.raises(UsageError, match="no input has a size named width") as unknown:
        synthesize(model, {"width": 3})
    assert "batch, past, seq, total" in unknown.value.fix
    with pytest.raises(UsageError, match="contradict"):
        synthesize(model, {"past": 3, "seq": 4, "total": 9})
    with pytest.raises(UsageError, match="negative"):
        synthesize(model, {"seq": -1})
    with pytest.raises(UsageError, match="unknown style"):
        synthesize(model, style="weird")


def test_strings_are_refused():
    text = "g (string[N] s) => (string[N] out) { out = Identity (s) }"
    with pytest.raises(BadModelError, match="no tensor of numbers"):
        synthesize(parsed(text))


def test_the_model_is_left_as_it_was():
    model = parsed(ENCODER)
    before = ir.to_proto(model).SerializeToString()
    synthesize(model)
    assert ir.to_proto(model).SerializeToString() == before


def test_inputs_larger_than_memory_are_refused():
    model = model_of("(float[4398046511104,4] x) => (float[4398046511104,4] out) { out = Relu(x) }")
    with pytest.raises(BadModelError, match="17592186044416 elements"):
        synthesize(model)
