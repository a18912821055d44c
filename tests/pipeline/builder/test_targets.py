import pytest

from pipeline.builder.targets import check_rtx_targets, ordered_targets, sm, tag
from pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("8.0", "8.6", "8.9", "12.0"), ("8.0", "8.6", "8.9", "12.0")),
        (("sm120", "SM_80"), ("8.0", "12.0")),
        (("8.9", "sm89"), ("8.9",)),
    ],
)
def test_spellings(names, wanted):
    assert ordered_targets(names) == wanted


@pytest.mark.parametrize("names", [(), ("",), ("8",), ("ampere",), ("8.0", "x"), ("800",)])
def test_nonsense(names):
    with pytest.raises(UsageError, match="no compute capability"):
        ordered_targets(names)


def test_rtx_has_no_hopper():
    check_rtx_targets(("7.5", "12.1"))
    with pytest.raises(UsageError, match=r"9\.0 Hopper"):
        check_rtx_targets(("8.0", "9.0"))


def test_tags():
    assert sm("12.0") == "sm120"
    assert tag(("8.0", "8.9")) == "sm80_sm89"
