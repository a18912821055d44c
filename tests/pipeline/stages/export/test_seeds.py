"""What a function draws is the same at every call, and the caller's own numbers go on as before."""

import random

import numpy as np
import pytest
import torch

from pipeline.stages.export.seeds import seeded


def drawn():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 7, -1])
def test_equal_seeds_draw_equal_numbers(seed):
    with seeded(seed):
        first = drawn()
    with seeded(seed):
        assert drawn() == first
    with seeded(seed + 1):
        assert not set(drawn()) & set(first)


def test_the_callers_numbers_are_untouched_even_by_a_failure():
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    wanted = drawn()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    with pytest.raises(ZeroDivisionError), seeded(5):
        drawn()[0] / 0
    assert drawn() == wanted
