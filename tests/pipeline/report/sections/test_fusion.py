"""Fusion on the page: counts, forms, refusals with what to do, every site."""

from pipeline.report.sections.fusion import fusion_section
from tests.pipeline.report.cells import details, table_with, tables, told


def sites(data):
    stage = next(s for s in data["stages"] if s["stage"].startswith("optimize"))
    return stage["facts"]["parts"]["model"]["sites"]


def test_counts_by_construct_with_nothing_where_there_is_nothing(data):
    attention, norm = table_with(fusion_section(told(data)), "nodes of the graph")
    assert attention == {
        "target": "ort-cpu-fp32", "part": "model", "construct": "attention",
        "fused": "1 fused [good]", "plain": "", "refused": "1 refused [bad]",
        "nodes of the graph": "90 → 60",
    }  # fmt: skip
    assert (norm["fused"], norm["plain"]) == ("", "1 plain [info]")


def test_sites_of_one_form_and_fate_are_one_row_with_their_worst_proof(data):
    first = sites(data)[0]
    worse = {**first["proof"], "error": 9e-6, "digest": "other"}
    sites(data).extend([{**first, "proof": worse}, first])
    row = table_with(fusion_section(told(data)), "largest proof error")[0]
    assert (row["sites"], row["fused by"]) == ("3 fused [good]", "fuse_attention")
    assert row["largest proof error"] == "9.00e-6"
    assert row["proof runs"] == "24", "a proof that two sites share ran once"


def test_a_refusal_says_where_why_and_what_to_do(data):
    (row,) = table_with(fusion_section(told(data)), "what to do")
    assert row == {
        "refused at": "layers.1.attention", "nearest form": "plain", "conditions held": "3 of 9",
        "first that did not": "the scale is 0.1 | not a constant", "what to do": "fold it",
    }  # fmt: skip


def test_every_site_is_there_by_its_path_or_its_anchor(data):
    section = fusion_section(told(data))
    assert details(section) == ["ort-cpu-fp32: all 3 sites"]
    fused, refused, plain = table_with(section, "proven in")
    assert (fused["module"], fused["by, or why not"], fused["runs"]) == (
        "layers.0.attention", "fuse_attention", "12",
    )  # fmt: skip
    assert refused["by, or why not"] == "the scale is 0.1 | not a constant"
    assert (plain["module"], plain["proof error"]) == ("ReduceMean r", "")


def test_where_nothing_was_refused_there_is_no_such_table(data):
    del sites(data)[1]
    assert all("what to do" not in table.columns for table in tables(fusion_section(told(data))))


def test_what_the_builder_said_is_told_where_it_was_asked(data):
    assert all("taken back" not in table.columns for table in tables(fusion_section(told(data))))
    stage = next(s for s in data["stages"] if s["stage"].startswith("optimize"))
    stage["facts"]["parts"]["model"]["build"] = {
        "builder": "tensorrt-rtx 1.7, 8.9", "reason": "no kernel", "before": "no kernel",
        "taken_back": 0, "trials": 3, "seconds": 2.5,
    }  # fmt: skip
    (row,) = table_with(fusion_section(told(data)), "taken back")
    assert (row["engine"], row["why not"], row["taken back"]) == (
        "does not build [bad]", "no kernel; nor before fusing", "",
    )  # fmt: skip
    stage["facts"]["parts"]["model"]["build"] |= {"reason": "", "before": "", "taken_back": 2}
    (row,) = table_with(fusion_section(told(data)), "taken back")
    assert (row["engine"], row["why not"], row["taken back"]) == ("builds [good]", "", "2 sites")
