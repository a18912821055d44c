"""Generated texts in a record: what a variant that did not run leaves out."""

from tests.pipeline.records.judged import (
    generation,
    generation_row,
    not_generated,
    parity_result,
)


def rows(*given):
    return parity_result(generation=generation(*given)).to_json()["generation"]["candidates"]


def test_a_variant_that_did_not_run_tells_no_figures():
    ran, left = rows(generation_row(), not_generated())
    assert set(ran) - set(left) == {"failed", "divergences", "forced"}
    assert left["skipped"] == "no GPU"


def test_figures_of_nothing_are_told():
    (row,) = rows(generation_row(failed=0, divergences=()))
    assert (row["failed"], row["divergences"]) == (0, [])
