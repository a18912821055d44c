"""The optimizer's record: keys that stay, and what is read off them."""

import pytest

from pipeline.errors import FolderError
from pipeline.records.optimize import OptimizeRecord, SiteCounts
from tests.pipeline.records.made import (
    exported_part,
    optimize_record,
    optimized_part,
    proof,
    site,
    typing_record,
)


def part_of(record):
    return record.to_json()["parts"]["model"]


def test_a_graph_from_elsewhere_tells_no_interface():
    told = part_of(optimize_record())
    assert not {"inputs", "outputs", "dims"} & set(told)
    known = part_of(optimize_record({"model": optimized_part(known=exported_part())}))
    assert known["dims"] == {"batch": {"min": 1, "opt": 2, "max": 4}}


def test_sizes_that_do_not_change_are_told_as_none_of_them():
    fixed = optimized_part(known=exported_part(dims={}))
    assert part_of(optimize_record({"model": fixed}))["dims"] == {}


def test_what_was_not_asked_for_is_an_empty_object_or_absent():
    told = part_of(optimize_record({"model": optimized_part(sites=(site(),))}))
    assert told["typing"] == {}
    assert told["session"] == {}
    assert set(told["sites"][0]) == {"construct", "path", "anchor", "state", "form", "lowering"}


def test_half_a_typing_is_none():
    told = optimize_record({"model": optimized_part(typing=typing_record())}).to_json()
    told["parts"]["model"]["typing"] = {"precision": "fp16"}
    with pytest.raises(FolderError, match=r"low_nodes.*typing"):
        OptimizeRecord.from_json(told)


def test_a_state_is_one_of_three():
    told = optimize_record({"model": optimized_part(sites=(site(proof=proof()),))}).to_json()
    told["parts"]["model"]["sites"][0]["state"] = "melted"
    with pytest.raises(FolderError, match=r"'melted'.*sites\[0\]\.state"):
        OptimizeRecord.from_json(told)


def test_a_construct_that_does_not_occur_counts_nothing():
    assert optimized_part().count("rotary") == SiteCounts(fused=0, plain=0, refused=0)
    assert optimized_part().count("attention").fused == 1
