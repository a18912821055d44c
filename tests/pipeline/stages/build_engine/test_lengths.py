import itertools
import random

import pytest

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.build_engine.lengths import ranges_from_lengths, read_lengths


def test_files(tmp_path):
    file = tmp_path / "lengths"
    file.write_text("12\n40, 7")
    assert read_lengths(file, "seq") == {"seq": [12, 40, 7]}
    file.write_text('{"seq": [3, 4], "batch": [1]}')
    assert read_lengths(file, "x") == {"seq": [3, 4], "batch": [1]}
    file.write_text("[5, 6]")
    assert read_lengths(file, "seq") == {"seq": [5, 6]}


@pytest.mark.parametrize("text", ["", "a b", '{"seq": "x"}', "-3", '{"seq": [[1]]}'])
def test_bad_files(text, tmp_path):
    file = tmp_path / "lengths"
    file.write_text(text)
    with pytest.raises(UsageError):
        read_lengths(file, "seq")
    with pytest.raises(UsageError):
        read_lengths(tmp_path / "missing", "seq")


def test_one_profile_spans_all():
    made = ranges_from_lengths({"seq": [8, 3, 100], "batch": [1, 4]}, 1, "seq")
    assert made == ({"seq": SizeRange(3, 8, 100), "batch": SizeRange(1, 1, 4)},)


@pytest.mark.parametrize("seed", range(5))
def test_the_split_wastes_least_padding(seed):
    """The dynamic program agrees with trying every pair of cuts."""
    rng = random.Random(seed)
    lengths = sorted(rng.choice([rng.randrange(1, 30), rng.randrange(90, 120)]) for _ in range(40))

    def padding(edges):
        return sum(next(e for e in edges if v <= e) for v in lengths)

    made = ranges_from_lengths({"seq": lengths}, 3, "seq")
    edges = [p["seq"].max for p in made]
    top = lengths[-1]
    best = min(
        padding([*c, top])
        for c in itertools.combinations_with_replacement(set(lengths), 2)
        if list(c) == sorted(c)
    )
    assert padding(edges) == best
    assert made[0]["seq"].min == lengths[0]
