"""A text ends where the positions of the model or of its cache end."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.records.export import GenerationSpec
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.room import Room, before_new_angles, fitted, room_of

OPTIONS = GenerateOptions(Path("out"), ("a",), max_new_tokens=9)
MODEL, CACHE = Room(32, "model"), Room(24, "cache")


@pytest.mark.parametrize(
    ("length", "capacity", "room"),
    [
        (None, 0, None),
        (20, 0, None),  # transformers' own default, not the model's
        (32, 0, MODEL),
        (32, 24, CACHE),
        (32, 64, MODEL),
        (None, 16, Room(16, "cache")),
    ],
)
def test_the_smaller_limit_counts(length, capacity, room):
    assert room_of(GenerationSpec(max_length=length), capacity) == room


@pytest.mark.parametrize(
    ("prompt", "room", "has_encoder", "message"),
    [
        (40, MODEL, False, "40 prompt tokens do not fit the model's 32 positions"),
        (24, CACHE, False, "24 prompt tokens do not fit the cache's 24 positions"),
        (3, Room(8, "model"), True, "9 new tokens do not fit the model's 8 positions"),
    ],
)
def test_what_does_not_fit_is_refused(prompt, room, has_encoder, message):
    with pytest.raises(UsageError, match=message):
        fitted(OPTIONS, [[1] * prompt], room, has_encoder=has_encoder)


def test_an_answer_ends_with_the_positions():
    options, notes = fitted(OPTIONS, [[1] * 28, [1]], MODEL, has_encoder=False)
    assert options.max_new_tokens == 4
    assert notes == ("the model has 32 positions, so an answer ends after 4 tokens",)
    _, notes = fitted(OPTIONS, [[1] * 20], CACHE, has_encoder=False)
    assert notes == ("the cache has 24 positions, so an answer ends after 4 tokens",)


@pytest.mark.parametrize(
    ("prompt", "room", "has_encoder"), [(28, None, False), (28, MODEL, True), (8, MODEL, False)]
)
def test_what_fits_stays_as_it_is(prompt, room, has_encoder):
    assert fitted(OPTIONS, [[1] * prompt], room, has_encoder=has_encoder) == (OPTIONS, ())


@pytest.mark.parametrize(
    ("prompt", "change", "left"),
    [(3, 40, 9), (33, 40, 8), (40, 40, 1), (41, 40, 9), (33, None, 9)],
    ids=["far from it", "across", "at it", "behind it", "none"],
)
def test_an_answer_ends_where_the_angles_of_what_is_cached_do(prompt, change, left):
    special = GenerationSpec(angles_change_after=change)
    options, notes = before_new_angles(OPTIONS, [[1] * prompt, [1]], special)
    assert options.max_new_tokens == left
    assert [f"so an answer ends after {left} tokens" in note for note in notes] == [True] * (
        left < 9
    )
