"""Scores are changed as transformers changes them, bit for bit."""

import numpy as np
import pytest
import torch
from transformers import (
    ForcedBOSTokenLogitsProcessor,
    ForcedEOSTokenLogitsProcessor,
    MinLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from pipeline.tasks.scores import (
    at_least,
    forced,
    no_repeat,
    probabilities,
    repetition_penalty,
    suppressed,
    temperature,
    top_k,
    top_p,
)

SEEDS = range(60)


def drawn(seed, *, ties=True):
    """Return ids [B, S] and scores [B, V], some of them minus infinity and, if asked, equal."""
    chance = np.random.default_rng(seed)
    rows, width, size = (int(n) for n in chance.integers((1, 1, 3), (5, 12, 3000)))
    scores = chance.normal(size=(rows, size)) * chance.uniform(0.1, 9)
    if ties and seed % 3 == 0:
        scores = scores.round()
    scores = scores.astype(np.float32)
    if seed % 2:
        scores[:, chance.random(size) < 0.3] = -np.inf
        scores[:, 0] = 0
    return chance, chance.integers(0, size, (rows, width)), scores


def pair(name, chance, ids):
    """Return one way to change scores as it is here, and as it is in transformers."""
    if name == "repetition penalty":
        hidden = chance.integers(0, ids.shape[1], len(ids))
        value = float(chance.uniform(0.5, 2))
        theirs = RepetitionPenaltyLogitsProcessor(value, prompt_ignore_length=torch.tensor(hidden))
        return repetition_penalty(value, hidden), theirs
    if name == "temperature":
        value = float(chance.uniform(0.1, 3))
        return temperature(value), TemperatureLogitsWarper(value)
    if name == "top k":
        count = int(chance.integers(1, 50))
        return top_k(count), TopKLogitsWarper(count)
    if name == "top p":
        mass = float(chance.uniform(0.01, 0.999))
        return top_p(mass), TopPLogitsWarper(mass)
    if name == "no repeat":
        size = int(chance.integers(1, 4))
        return no_repeat(size), NoRepeatNGramLogitsProcessor(size)
    if name == "at least":
        length = int(chance.integers(1, 12))
        return at_least(length, (1, 2)), MinLengthLogitsProcessor(length, [1, 2])
    if name == "suppressed":
        return suppressed((0, 2)), SuppressTokensLogitsProcessor([0, 2])
    if name == "suppressed at first":
        return suppressed((1,), 3), SuppressTokensAtBeginLogitsProcessor([1], 3)
    if name == "forced start":
        return forced(1, 2), ForcedBOSTokenLogitsProcessor(2)
    return forced(5, (1, 2)), ForcedEOSTokenLogitsProcessor(6, [1, 2])


NAMES = ("repetition penalty", "temperature", "top k", "top p", "forced start", "forced end",
         "no repeat", "at least", "suppressed", "suppressed at first")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_as_transformers_does(name):
    changed = 0
    for seed in SEEDS:
        chance, ids, scores = drawn(seed, ties=name != "top p")
        ours, theirs = pair(name, chance, ids)
        before = scores.copy()
        made = ours(ids, scores)
        wanted = theirs(torch.tensor(ids), torch.tensor(before)).numpy()
        np.testing.assert_array_equal(made, wanted, err_msg=f"seed {seed}")
        np.testing.assert_array_equal(scores, before)
        assert made.dtype == np.float32
        changed += not np.array_equal(made, before)
    assert changed > 2


def test_of_equally_likely_tokens_as_many_stay_as_in_transformers():
    for seed in SEEDS:
        chance, ids, scores = drawn(seed)
        ours, theirs = pair("top p", chance, ids)
        made, wanted = ours(ids, scores), theirs(None, torch.tensor(scores)).numpy()
        np.testing.assert_array_equal(np.sort(made), np.sort(wanted))
    made = top_p(0.5)(None, np.tile(np.float32([0, 2]), (1, 50)))
    assert np.flatnonzero(made == 2).tolist() == list(range(43, 100, 2))


def test_probabilities_are_torchs():
    for seed in SEEDS:
        _, _, scores = drawn(seed)
        wanted = torch.softmax(torch.tensor(scores), dim=-1).numpy()
        # the sum of up to 3,000 terms, rounded in another order: 2**-24 times the steps of a tree
        np.testing.assert_allclose(probabilities(scores), wanted, rtol=2e-6, atol=1e-12)


def test_the_last_token_is_never_dropped():
    scores = np.float32([[0, 0, 9]])
    assert top_p(1e-9)(np.zeros((1, 1), int), scores).tolist() == [[-np.inf, -np.inf, 9]]
