"""Whoever reads along is given whole characters, each once."""

import numpy as np

from pipeline.tasks.clock import TokenClock

TEXTS = {(5,): "a", (5, 6): "a\N{REPLACEMENT CHARACTER}", (5, 6, 7): "aé", (5, 6, 7, 8): "aé!"}


def test_only_what_is_new_is_told_and_no_half_character():
    told = []
    clock = TokenClock(lambda ids: TEXTS[tuple(ids)], told.append)
    for width in range(3, 7):
        clock.hear(np.array([[1, 2, 5, 6, 7, 8][:width]]))
    assert told == ["a", "é", "!"]
    assert clock.first > 0


def test_nobody_has_to_read_along():
    clock = TokenClock()
    clock.hear(np.array([[1]]))
    first = clock.first
    clock.hear(np.array([[1, 2]]))
    assert clock.first == first > 0
