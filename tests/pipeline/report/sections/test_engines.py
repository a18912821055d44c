"""Engines, and what bundles measured elsewhere."""

from dataclasses import replace

import pytest

from pipeline.records.bundle import CaseOutcome
from pipeline.records.record import as_json
from pipeline.records.report import Elsewhere, MeasuredElsewhere
from pipeline.report.sections.engines import elsewhere_section, engines_section
from tests.pipeline.records.made import attention_row
from tests.pipeline.report.cells import details, rows, table_with, tables, texts, told


def test_a_plan_with_what_built_it_and_for_what(data):
    section = engines_section(told(data))
    (row,) = table_with(section, "built with")
    assert row == {
        "variant": "tensorrt-fp16", "part": "model", "built with": "tensorrt-rtx 1.7",
        "for": "8.0, 8.9", "plan": "7.00 MB", "build": "12.0 s", "layers": "40",
        "attention": "1 of 2 dedicated kernels [open]",
    }  # fmt: skip
    assert details(section) == ["tensorrt-fp16 model: optimization profiles"]
    assert table_with(section, "profile") == [
        {"profile": "0", "input": "input_ids", "min": "1×1", "opt": "1×32", "max": "8×64"}
    ]


@pytest.mark.parametrize(
    ("attention", "words"),
    [([], ""), ([True], "1 of 1 dedicated kernels [good]"),
     ([None], "0 of 1 dedicated kernels [open]")],
    ids=["none", "all", "not asked"],
)  # fmt: skip
def test_kernels_of_attentions(attention, words, data):
    engine = next(s for s in data["stages"] if s["stage"].startswith("build-engine"))
    rows = [as_json(attention_row(dedicated=found)) for found in attention]
    engine["facts"]["parts"]["model"]["attention"] = rows
    assert table_with(engines_section(told(data)), "attention")[0]["attention"] == words


def measured(**fields):
    found = MeasuredElsewhere(
        name="m.engine",
        precision="fp16",
        ran=True,
        right=True,
        device="H200",
        latency_ms={},
        cases=(CaseOutcome(case="model-0", right=True), CaseOutcome(case="model-1", right=True)),
        median_ms={"model-0": 0.5, "model-1": 20.0},
    )
    return replace(found, **fields)


def elsewhere(data, *rows, changed=()):
    found = Elsewhere(
        machine={"gpu": "H200"}, when="2026-01-01", measured=rows, changed=changed, file="r.json"
    )
    return elsewhere_section(replace(told(data), elsewhere=(found,)))


def test_what_ran_elsewhere_by_candidate(data):
    section = elsewhere(
        data, measured(), measured(right=False), measured(ran=False, right=None, device="no GPU")
    )
    assert texts(section) == [("2026-01-01: gpu H200", None)]
    right, wrong, absent = rows(tables(section)[0])
    assert (right["verdict"], right["cases"]) == ("right [good]", "2")
    assert right["median per case"] == "model-0: 500 µs; model-1: 20.0 ms"
    assert wrong["verdict"] == "wrong [bad]"
    assert (absent["verdict"], absent["ran on"], absent["cases"]) == (
        "not run [open]",
        "no GPU",
        "",
    )


def test_results_of_what_was_made_again_since_say_so(data):
    assert ("Packed before export, perf was made again: pack anew.", "open") in texts(
        elsewhere(data, measured(), changed=("export", "perf"))
    )
