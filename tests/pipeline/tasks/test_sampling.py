"""Under one seed the tokens drawn here are those that torch draws."""

import numpy as np
import pytest
import torch

from pipeline.errors import BadModelError
from pipeline.tasks.sampling import Draw


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31, 2**32 - 1, 2**32 + 5, 2**63 - 1, -1, -7])
def test_times_are_torchs_exponential_numbers(seed):
    generator = torch.Generator().manual_seed(seed)
    draw = Draw(seed)
    for shape in ((3, 700), (1, 1), (2, 9)):
        wanted = torch.empty(shape).exponential_(generator=generator).numpy()
        np.testing.assert_array_equal(draw._times(shape), wanted)


@pytest.mark.parametrize("seed", range(40))
def test_tokens_are_torchs(seed):
    chance = np.random.default_rng(seed)
    rows, size = int(chance.integers(1, 5)), int(chance.integers(2, 4000))
    generator, draw = torch.Generator().manual_seed(seed), Draw(seed)
    for _ in range(12):
        scores = (chance.normal(size=(rows, size)) * 3).astype(np.float32)
        scores[:, chance.random(size) < 0.5] = -np.inf
        scores[:, 0] = 0
        chances = torch.softmax(torch.tensor(scores), dim=-1)
        wanted = torch.multinomial(chances, 1, generator=generator)[:, 0]
        assert draw(scores).tolist() == wanted.tolist()


def test_tokens_come_as_often_as_their_probability_says():
    draw, counts = Draw(7), np.zeros(4)
    scores = np.log(np.float32([0.5, 0.3, 0.15, 0.05]))
    for _ in range(4000):
        counts[draw(scores[None])[0]] += 1
    # three standard deviations of the largest count are 95
    np.testing.assert_allclose(counts, [2000, 1200, 600, 200], atol=95)


def test_each_has_a_generator_of_its_own():
    scores = np.zeros((1, 1000), np.float32)
    alone = [Draw(1)(scores)[0] for _ in range(1)]
    one, other = Draw(1), Draw(2)
    other(scores)
    np.random.seed(3)
    assert one(scores)[0] == alone[0] != other(scores)[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_none_are_refused(bad):
    with pytest.raises(BadModelError, match="not finite"):
        Draw(0)(np.float32([[0, bad, 1]]))
    with pytest.raises(BadModelError, match="not finite"):
        Draw(0)(np.full((1, 3), -np.inf, np.float32))
