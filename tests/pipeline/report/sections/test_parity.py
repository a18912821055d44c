"""Parity on the page: the rule, each candidate by its worst output, checks, generation."""

import pytest

from pipeline.report.sections.parity import parity_section
from tests.pipeline.report.cells import captions, details, table_with, tables, texts, told


def candidates(data):
    return data["parity"]["parts"]["model"]["candidates"]


def overview(data):
    return table_with(parity_section(told(data)), "ran in, or why not")


def test_the_rule_is_said_with_its_numbers(data):
    lead = parity_section(told(data)).lead
    assert lead.startswith("Reference: the PyTorch model in float64, on 1 case.")
    assert "within 2× and its largest error within 8×" in lead
    assert "4 ulp" in lead
    assert "both are 32×" in lead


def test_an_explicit_tolerance_is_said_to_be_one(data):
    data["parity"]["rule"] = {"absolute": 0.1, "relative": 0.02}
    lead = parity_section(told(data)).lead
    assert "An explicit tolerance replaced the derived budget: 0.1 absolute, 0.02" in lead


def test_a_candidate_is_shown_by_its_worst_output(data):
    worst = {**candidates(data)[0]["outputs"][0], "output": "present", "usage": 0.9}
    candidates(data)[0]["outputs"].append(worst)
    first = overview(data)[0]
    assert (first["verdict"], first["worst"]) == ("passed [good]", "present")
    assert first["budget used"].startswith("90")
    assert first["ran in, or why not"] == "onnxruntime 1 CPU"


@pytest.mark.parametrize(
    ("output", "words"),
    [({"usage": None, "passed": False}, ("failed [bad]", "over")),
     ({"problem": "another shape"}, ("failed [bad]", ""))],
    ids=["beyond", "problem"],
)  # fmt: skip
def test_what_fails_says_so(output, words, data):
    candidates(data)[0]["outputs"][0].update(output)
    candidates(data)[0]["passed"] = False
    row = overview(data)[0]
    assert (row["verdict"], row["budget used"]) == words
    if "problem" in output:
        assert row["ran in, or why not"] == "another shape"


def test_what_was_not_run_says_why(data):
    row = overview(data)[2]
    assert (row["verdict"], row["ran in, or why not"]) == ("not run [open]", "No GPU.")


def test_one_plot_per_precision_of_what_ran(data):
    assert captions(parity_section(told(data))) == ["model, fp32: errors of logits over all cases."]
    candidates(data)[1]["precision"] = "fp16"
    assert len(captions(parity_section(told(data)))) == 2


def test_checks_of_every_candidate(data):
    checks = candidates(data)[0]["checks"]
    checks[0]["bitwise"] = False
    checks += [{**checks[0], "bitwise": True}, {**checks[0], "skipped": "it has no cache"}]
    checks[0]["passed"] = False
    found = [
        (row["verdict"], row["largest difference"])
        for row in table_with(parity_section(told(data)), "check")
    ]
    assert found[:3] == [
        ("failed [bad]", "9.00e-7"),
        ("passed [good]", "to the last bit"),
        ("not a property [open]", "9.00e-7"),
    ]


def test_a_departure_names_the_first_tensor(data):
    place = {"part": "model", "candidate": "c", "stage": "graph", "compared": 3, "usage": None,
             "tensor": "t7", "hint": "a cast"}  # fmt: skip
    data["parity"]["bisect"] = [place, {**place, "rewrite": "fuse_norm", "module": "layers.0"}]
    one, other = table_with(parity_section(told(data)), "first tensor")
    assert (one["first tensor"], one["rewrite or hint"], one["module"]) == ("t7", "a cast", "")
    assert (other["rewrite or hint"], other["module"]) == ("fuse_norm", "layers.0")


def test_generation_is_counted_and_a_near_tie_is_no_failure(data):
    section = parity_section(told(data))
    torch, engine = table_with(section, "near-ties")
    assert (torch["verdict"], torch["equal"], torch["KL, largest"]) == (
        "passed [good]", "1 of 2", "1.00e-9",
    )  # fmt: skip
    assert (engine["verdict"], engine["note"]) == ("not run [open]", "No GPU.")
    (row,) = table_with(section, "logit margin")
    assert row["verdict"] == "near-tie [open]"
    assert table_with(section, "generated")[0]["generated"] == "I'm happy today."


def test_generation_that_is_lost_or_has_no_budget(data):
    entry = data["parity"]["generation"]["candidates"][0]
    entry["forced"] = {**entry["forced"], "kl_max": None, "agreement": 0.5}
    entry["passed"] = None
    entry["divergences"][0]["near_tie"] = False
    section = parity_section(told(data))
    row = table_with(section, "near-ties")[0]
    assert (row["verdict"], row["KL, largest"]) == ("no budget [open]", "not finite")
    assert table_with(section, "logit margin")[0]["verdict"] == "failed [bad]"
    entry["divergences"] = []
    assert "Where generations part" not in details(parity_section(told(data)))


def test_without_generation_there_is_none(data):
    data["parity"]["generation"] = None
    section = parity_section(told(data))
    assert all(">near-ties" not in table.columns for table in tables(section))
    assert texts(section) == [("model: no PyTorch in fp16 here (some reason)", "open")]
    assert details(section) == [
        "model: every output", "model: checks that need no reference", "model: the 1 cases",
    ]  # fmt: skip


def test_what_quantisation_loses_is_shown_with_its_limit(data):
    measure = {
        "name": "kl", "value": 0.2, "low": 0.1, "high": 0.3, "limit": 0.1, "passed": False,
    }  # fmt: skip
    candidates(data)[0]["outputs"][0].update(measures=[measure], precision="int8")
    (row,) = table_with(parity_section(told(data)), "99 % interval")
    assert (row["measure"], row["format"], row["verdict"]) == ("kl", "int8", "failed [bad]")
    assert row["99 % interval"] == "0.100 to 0.300"
