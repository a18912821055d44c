"""Options of a report: paths, in whatever form they come."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.report.options import ReportOptions


def test_text_becomes_paths():
    options = ReportOptions("out", ("a.json", Path("b.json")), "elsewhere")
    assert options == ReportOptions(
        Path("out"), (Path("a.json"), Path("b.json")), Path("elsewhere")
    )
    assert ReportOptions(Path("out")).output is None


@pytest.mark.parametrize("wrong", [{"folder": 3}, {"folder": Path("a"), "output": 3.5}])
def test_what_is_no_path_is_a_usage_error(wrong):
    with pytest.raises(UsageError):
        ReportOptions(**wrong)
