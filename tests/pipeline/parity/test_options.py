"""Options of a comparison: values outside their range are refused by name."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.parity.options import ParityOptions


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"seeds": 0}, "--seeds"),
        ({"sentences": -1}, "--sentences"),
        ({"max_new_tokens": 0}, "--max-new-tokens"),
        ({"threads": -1}, "--threads"),
        ({"absolute": -0.1}, "--absolute"),
        ({"relative": float("inf")}, "--relative"),
        ({"relative": float("nan")}, "--relative"),
        ({"dims": {"batch": -1}}, "--dim"),
    ],
    ids=str,
)
def test_values_outside_their_range(wrong, where):
    with pytest.raises(UsageError) as caught:
        ParityOptions(Path("out"), **wrong)
    assert caught.value.where == where


def test_the_least_of_everything_is_allowed():
    made = ParityOptions(
        "out", "a.onnx", seeds=1, sentences=0, max_new_tokens=1, absolute=0, dims={"past": 0}
    )
    assert (made.reference, made.candidates) == (Path("out"), (Path("a.onnx"),))
    assert (made.absolute, made.dims) == (0.0, {"past": 0})


@pytest.mark.parametrize("given", [{"max_kl": -1.0}, {"min_cosine": 1.5}, {"min_agreement": -0.1}])
def test_limits_are_checked(given):
    with pytest.raises(UsageError, match=next(iter(given))):
        ParityOptions(Path("x"), **given)
