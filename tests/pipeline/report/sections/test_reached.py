"""What was reached, on the page."""

from pipeline.report.sections.parity import parity_section
from tests.pipeline.report.cells import details, table_with, told


def test_what_the_cases_reach_is_a_table_and_absent_where_nobody_looked(data):
    assert not any("what the cases reach" in line for line in details(parity_section(told(data))))
    row = {"kind": "size", "name": "batch", "covered": 2, "total": 3, "missing": ["largest 8"]}
    data["parity"]["parts"]["model"]["coverage"] = [row]
    (shown,) = table_with(parity_section(told(data)), "not reached, the first")
    assert (shown["reached"], shown["not reached, the first"]) == ("2 of 3", "largest 8")
