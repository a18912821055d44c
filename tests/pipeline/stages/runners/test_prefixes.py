"""The latest texts are kept, the longest beginning of a prompt is found."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.stages.runners.prefixes import WORTH, Prefixes

POSITION = 2 * 3 * 4  # bytes of a position: heads, size, float32


def cache(ids):
    """Return a cache whose entries say which id they are of."""
    entries = np.array(ids, np.float32)[None, None, :, None]
    return {"past_key_values.0.key": np.broadcast_to(entries, (1, 2, len(ids), 3)).copy()}


def text(*parts):
    return [number for start, count in parts for number in range(start, start + count)]


@pytest.fixture
def prefixes():
    return Prefixes(100 * POSITION)


def found(prefixes, prompt):
    """Return the ids whose entries are found."""
    past = prefixes.longest(prompt)
    return past["past_key_values.0.key"][0, 0, :, 0].tolist() if past else []


def test_the_longest_beginning_is_found_and_never_the_last_id(prefixes):
    for ids in (text((0, 10), (50, 5)), text((0, 12), (60, 5))):
        prefixes.keep(ids, cache(ids))
    assert found(prefixes, text((0, 12), (70, 9))) == text((0, 12))
    assert found(prefixes, text((0, 10), (50, 9))) == text((0, 10), (50, 5))
    assert found(prefixes, text((0, 12), (60, 5))) == text((0, 12), (60, 4))
    assert found(prefixes, text((1, 30))) == []
    assert found(prefixes, text((0, WORTH - 1), (80, 9))) == []
    assert found(prefixes, text((0, WORTH), (80, 9))) == text((0, WORTH))
    assert found(prefixes, [3]) == []


def test_a_longer_text_takes_the_place_of_its_beginning(prefixes):
    for ids in (text((0, 10)), text((0, 20)), text((0, 15)), text((0, 20)), text((0, 3))):
        prefixes.keep(ids, cache(ids))
    assert (len(prefixes), prefixes.size) == (1, 20 * POSITION)


def test_the_one_unused_for_longest_goes_first(prefixes):
    first, second, third = text((0, 40)), text((100, 40)), text((200, 40))
    for ids in (first, second):
        prefixes.keep(ids, cache(ids))
    assert found(prefixes, [*first, 1]) == first
    prefixes.keep(third, cache(third))
    assert found(prefixes, [*second, 1]) == []
    assert found(prefixes, [*first, 1]) == first
    assert prefixes.size == 80 * POSITION
    prefixes.keep(text((300, 101)), cache(text((300, 101))))  # too large: nothing else goes for it
    assert (len(prefixes), found(prefixes, text((300, 20)))) == (2, [])


def test_none_is_kept_where_no_memory_is_given():
    none = Prefixes(0)
    none.keep(text((0, 20)), cache(text((0, 20))))
    assert (none.wanted, len(none)) == (False, 0)
