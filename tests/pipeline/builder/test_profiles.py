import pytest

from pipeline.builder.profiles import (
    check_profiles,
    default_ranges,
    profile_from_ranges,
    profiles_from_flags,
)
from pipeline.builder.shapes import InputSpec
from pipeline.errors import UsageError
from pipeline.records.engine import ShapeRange
from pipeline.records.tensors import SizeRange

IDS = InputSpec("ids", "int64", ("batch", "seq"))
MASK = InputSpec("mask", "int64", ("batch", "past + seq"))
PAST = InputSpec("past.0", "float32", ("batch", 2, "past", 16))


def test_flags_make_one_profile_per_repetition():
    made = profiles_from_flags(
        [{"x": (1, 2)}, {"x": (1, 8)}],
        [{"x": (2, 2)}, {"x": (2, 8)}],
        [{"x": (4, 2)}, {"x": (4, 8)}],
    )
    assert [p["x"] for p in made] == [
        ShapeRange((1, 2), (2, 2), (4, 2)),
        ShapeRange((1, 8), (2, 8), (4, 8)),
    ]


def test_a_missing_flag_takes_its_neighbours_shapes():
    assert profiles_from_flags([], [{"x": (4,)}], [])[0]["x"] == ShapeRange((4,), (4,), (4,))
    made = profiles_from_flags([{"x": (1,)}], [], [{"x": (8,)}])
    assert made[0]["x"] == ShapeRange((1,), (8,), (8,))


def test_flags_repeated_unevenly():
    with pytest.raises(UsageError, match="--maxShapes occurs 1 times"):
        profiles_from_flags([{}, {}], [{}, {}], [{}])


def test_defaults_and_expressions_agree():
    ranges = default_ranges([IDS, MASK, PAST])
    assert set(ranges) == {"batch", "seq", "past"}
    assert ranges["past"].min == 0
    profile = profile_from_ranges([IDS, MASK, PAST], ranges)
    assert profile["mask"].max[1] == ranges["past"].max + ranges["seq"].max
    check_profiles([IDS, MASK, PAST], [profile])


def test_limits_cap_the_defaults():
    assert default_ranges([IDS], {"seq": 64})["seq"] == SizeRange(1, 64, 64)


def test_a_dim_without_range_is_named():
    with pytest.raises(UsageError, match="dim 'seq' of input 'ids'"):
        profile_from_ranges([IDS], {"batch": SizeRange(1, 1, 1)})


def r(low, mid, high):
    return ShapeRange(low, mid, high)


BAD = {
    "unknown input": ({"nope": r((1, 1), (1, 1), (1, 1))}, "names the input 'nope'"),
    "missing input": ({}, "no shapes for the dynamic input 'ids'"),
    "rank": ({"ids": r((1,), (1,), (1,))}, "1 dims, the input has 2"),
    "order": ({"ids": r((4, 8), (2, 8), (8, 8))}, "axis 0 is min 4, opt 2, max 8"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_profiles_are_refused_before_the_build(case):
    profile, words = BAD[case]
    with pytest.raises(UsageError, match=words):
        check_profiles([IDS], [profile])


def test_fixed_dims_and_shared_names():
    fixed = InputSpec("past.0", "float32", ("batch", 2, 8, 16))
    shape = (1, 3, 8, 16)
    with pytest.raises(UsageError, match="axis 1 the value 3, the graph fixes it to 2"):
        check_profiles([fixed], [{"past.0": r(shape, shape, shape)}])
    other = InputSpec("b", "int64", ("batch",))
    profile = {"ids": r((1, 1), (2, 1), (4, 1)), "b": r((5,), (5,), (6,))}
    with pytest.raises(UsageError, match="no value fits both"):
        check_profiles([IDS, other], [profile])
    with pytest.raises(UsageError, match="no profile is given"):
        check_profiles([IDS], [])
