from dataclasses import replace

import numpy as np
import pytest

from pipeline.parity.generation import compare_forced, divergences, teacher_forced, together
from pipeline.records.record import as_json
from pipeline.stages.runners.decoding import Decoder, Generated
from tests.pipeline.records.judged import forced
from tests.pipeline.records.made import tensor

PAST = [tensor("past_key_values.0.key", "batch", 1, "past", 1)]


def test_equal_rows_do_not_diverge():
    same = Generated([[1, 2], [3]], [[5, 5, 5], [5, 5]])
    assert divergences(same, same, 0.0) == []


@pytest.mark.parametrize(
    ("margin", "noise", "near_tie"),
    [(1e-6, 1e-6, True), (1.9e-6, 1e-6, True), (2.1e-6, 1e-6, False), (3.0, 1e-6, False)],
)
def test_a_divergence_is_excused_only_by_a_near_tie(margin, noise, near_tie):
    expected = Generated([[1, 2, 3]], [[5.0, margin, 5.0, 5.0]])
    (found,) = divergences(expected, Generated([[1, 7, 3]], [[0] * 4]), noise, row_offset=10)
    assert (found.row, found.step, found.expected, found.got) == (10, 1, 2, 7)
    assert found.near_tie is near_tie
    assert found.record("a").near_tie is near_tie


def test_stopping_early_or_late_is_a_divergence_at_the_end_mark():
    expected = Generated([[1, 2]], [[5.0, 5.0, 0.5]])
    early = divergences(expected, Generated([[1]], [[0, 0]]), 0.0)[0]
    assert (early.step, early.expected, early.got, early.margin) == (1, 2, None, 5.0)
    late = divergences(expected, Generated([[1, 2, 9]], [[0] * 4]), 0.0)[0]
    assert (late.step, late.expected, late.got, late.margin) == (2, None, 9, 0.5)


def test_forced_distributions():
    reference = np.zeros((2, 3, 4))
    reference[..., 0] = 1.0
    given = reference.copy()
    tokens = [[0, 0], [0]]
    assert compare_forced(reference, given, tokens).kl_max == 0.0
    given[1, 2] = [0, 50, 0, 0]  # beyond row 1's end: not compared
    got = compare_forced(reference, given, tokens)
    assert (got.positions, got.kl_max, got.agreement) == (5, 0.0, 1.0)
    given[0, 1] = [0, 1, 0, 0]
    got = compare_forced(reference, given, tokens)
    p, q = np.e / (np.e + 3), 1 / (np.e + 3)
    assert got.kl_max == pytest.approx((p - q) * 1.0)
    assert got.agreement == 0.8
    assert got.logit_error[0, 1] == 1.0
    assert np.isnan(got.logit_error[1, 2])


def test_logits_that_are_not_finite_have_no_distance_and_do_not_agree():
    reference = np.zeros((1, 3, 4))
    reference[..., 0] = 1.0
    given = reference.copy()
    given[0, 1] = np.nan
    got = compare_forced(reference, given, [[0, 0]])
    assert got.largest_error == 0.0
    found = got.record()
    assert (found.kl_mean, found.kl_max, found.logit_error_max) == (None, None, None)
    assert as_json(found)


def test_batches_are_summed_up_by_their_positions():
    one, other = forced(positions=1, kl_mean=0.0, kl_max=3.0), forced(kl_mean=1.0, kl_max=2.0)
    found = together([one, replace(other, positions=3)])
    assert (found.positions, found.kl_mean, found.kl_max) == (4, 0.75, 3.0)
    assert together([one, replace(other, agreement=None)]).agreement is None
    assert together([]) is None


class Position:
    """Logits that name the position they were computed at."""

    input_names = ("input_ids", "attention_mask", "position_ids", "past_key_values.0.key")
    output_names = ("logits", "present.0.key")

    def run(self, feeds):
        logits = np.eye(9)[np.minimum(feeds["position_ids"], 8)]
        return {"logits": logits, "present.0.key": feeds["past_key_values.0.key"]}


def test_prompts_hand_back_the_positions_that_predict_the_new_tokens():
    ids, mask = np.array([[0, 4], [5, 6]]), np.array([[0, 1], [1, 1]])
    logits = teacher_forced(Decoder({"model": Position()}, PAST), ids, mask, None, [[7], [7, 8]])
    assert logits.shape == (2, 3, 9)
    assert logits.argmax(-1)[1].tolist() == [1, 2, 3]
    assert logits.argmax(-1)[0, :2].tolist() == [0, 1]


class LastPosition(Position):
    """Gives the logits of the last position alone."""

    def run(self, feeds):
        made = super().run(feeds)
        return {**made, "logits": made["logits"][:, -1:]}


@pytest.mark.parametrize("tokens", [[[7], [7, 8]], [[], []]])
def test_a_model_of_last_logits_is_stepped_position_by_position(tokens):
    ids, mask = np.array([[0, 4], [5, 6]]), np.array([[0, 1], [1, 1]])
    every = teacher_forced(Decoder({"model": Position()}, PAST), ids, mask, None, tokens)
    last = teacher_forced(Decoder({"model": LastPosition()}, PAST), ids, mask, None, tokens)
    assert last.shape == every.shape
    for row, real in enumerate(tokens):
        places = slice(0, len(real) + 1)
        assert (last[row, places] == every[row, places]).all()
