"""Judging stages in words, and the exit code of their verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.artifacts.artifact import Artifact
from pipeline.cli.console import Console
from pipeline.cli.verdicts import finish, parity_lines, perf_lines

PARITY = {
    "passed": False,
    "reference": "the PyTorch model in float64",
    "candidates": [
        {"part": "encoder", "name": "exported", "precision": "fp32", "passed": True,
         "skipped": "", "usage": 0.5},
        {"part": "encoder", "name": "fast", "precision": "fp16", "passed": False, "skipped": "",
         "usage": None},
        {"part": "encoder", "name": "engine", "precision": "fp16", "passed": None,
         "skipped": "no GPU", "usage": None},
    ],
    "generation": [
        {"name": "exported", "passed": True, "texts": 200, "equal": 199, "near_ties": 1},
    ],
    "bisect": [{"tensor": "h.3", "stage": "optimize"}],
    "notes": ["one"],
}  # fmt: skip


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1), (None, 0)])
def test_the_verdict_is_the_exit_code(capsys, passed, code):
    facts = {} if passed is None else {"passed": passed}
    artifact = Artifact(Path("out"), "parity", "k", "d", facts=facts)
    with Console() as console:
        assert finish(console, artifact, ["more"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == "more"


def test_parity_reads_as_sentences():
    assert parity_lines(PARITY) == [
        "FAILED: compared with the PyTorch model in float64",
        "  encoder: exported (fp32) passed, 50 % of the budget",
        "  encoder: fast (fp16) FAILED, beyond the budget",
        "  encoder: engine (fp16) not run: no GPU",
        "  passed: exported generates 199 of 200 texts token for token, 1 at a near-tie",
        "  first tensor out of budget: tensor h.3, stage optimize",
        "  note: one",
    ]


def test_perf_shows_medians_intervals_and_doubts():
    facts = {
        "jobs": [{"name": "model batch=1"}],
        "results": [
            {"job": "model batch=1", "series": "", "contender": "eager",
             "latency": {"median": 2.0}},
            {"job": "model batch=1", "series": "token", "contender": "eager",
             "latency": {"median": 9.0}},
        ],
        "ratios": [
            {"job": "model batch=1", "contender": "fast", "baseline": "eager", "value": 2.0,
             "low": 1.9, "high": None, "verdict": "faster"},
        ],
        "contenders": [{"name": "engine", "skipped": "no GPU"}, {"name": "eager", "skipped": ""}],
        "gate": ["too slow"],
        "warnings": ["busy"],
    }  # fmt: skip
    assert perf_lines(facts) == [
        "model batch=1:",
        "  eager                        2.000 ms",
        "  fast is 2.00 [1.90, ?] times eager: faster",
        "not run: engine: no GPU",
        "gate missed: too slow",
        "note: busy",
    ]
