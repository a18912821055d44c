"""Judging stages in words, and the exit code of their verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.artifacts.artifact import Artifact
from pipeline.cli.console import Console
from pipeline.cli.verdicts import finish, parity_lines, perf_lines
from pipeline.records.coverage import CoverageRecord
from pipeline.records.parity import MeasureRecord
from tests.pipeline.records.judged import (
    contender,
    departure,
    generation_summary,
    left_out,
    parity_record,
    perf_record,
    ratio,
    summarized,
    timing,
)

PARITY = parity_record(
    passed=False,
    candidates=(
        summarized(part="encoder", name="exported"),
        summarized(part="encoder", name="fast", precision="fp16", passed=False, usage=None),
        summarized(part="encoder", name="engine", precision="fp16", passed=None, skipped="no GPU"),
    ),
    generation=(
        generation_summary(name="exported", texts=200, equal=199),
        generation_summary(name="engine", passed=None),
    ),
    bisect=(departure(candidate="fast", usage=None, rewrite=""),),
    notes=("one",),
)


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_the_verdict_is_the_exit_code(capsys, passed, code):
    artifact = Artifact(Path("out"), "parity", "k", "d")
    with Console() as console:
        assert finish(console, artifact, passed, ["more"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == "more"


def test_parity_reads_as_sentences():
    assert parity_lines(PARITY) == [
        "FAILED: compared with the PyTorch model in float64",
        "  encoder: exported (fp32) passed, 50 % of the budget",
        "  encoder: fast (fp16) FAILED, beyond the budget",
        "  encoder: engine (fp16) not run: no GPU",
        "  passed: exported generates 199 of 200 texts token for token, 1 at a near-tie",
        "  engine generates nothing here: it was not run",
        "  first tensor out of budget: candidate fast, part model, stage graph, compared 5, "
        "before a, tensor b, node Tanh t, module block.0",
        "  note: one",
    ]


def test_perf_shows_medians_intervals_and_doubts():
    record = perf_record(
        results=(timing("eager"), timing("eager", 9.0, series="token")),
        ratios=(ratio("fast", high=None),),
        contenders=(left_out("engine"), contender("eager")),
        gate=("too slow",),
        warnings=("busy",),
    )
    assert perf_lines(record) == [
        "model batch=1:",
        "  eager                        2.000 ms",
        "  fast is 2.00 [1.90, ?] times eager: faster",
        "not run: engine: no GPU",
        "gate missed: too slow",
        "note: busy",
    ]


def test_an_interval_too_wide_to_tell_is_not_called_no_difference():
    row = ratio("fast", low=0.17, high=1.12, verdict="no difference", resolved=False)
    (line,) = [text for text in perf_lines(perf_record(ratios=(row,))) if "times" in text]
    assert line.endswith("[0.17, 1.12] times eager: not resolved")


def test_what_a_quantised_candidate_loses_is_shown_with_its_limit():
    lost = MeasureRecord(name="kl", value=0.2, low=0.1, high=0.3, limit=0.1, passed=False)
    told = MeasureRecord(name="cosine", value=None, low=None, high=None, limit=0.9, passed=False)
    entry = summarized(passed=False, measures=(lost, told), why="it is wrong")
    text = " ".join(parity_lines(parity_record(candidates=(entry,))))
    assert "kl 0.2 [0.1, 0.3] (at most 0.1, MISSED), cosine not finite; it is wrong" in text


def test_what_the_cases_reach_is_told_with_what_they_do_not():
    found = (
        CoverageRecord(kind="rows", name="ids", covered=9, total=9),
        CoverageRecord(kind="size", name="batch", covered=2, total=3, missing=("largest 8",)),
        CoverageRecord(kind="boundary", name="16 in Sub", covered=2, total=2),
        CoverageRecord(kind="branches", name="", covered=3, total=4, missing=("If never True",)),
    )
    assert parity_lines(parity_record(coverage={"model": found}))[-1] == (
        "  model covered 9 of 9 rows for ids; batch 2 of 3 ends (not: largest 8); "
        "16 in Sub 2 of 2 sides; 3 of 4 branches (not: If never True)"
    )
