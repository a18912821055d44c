"""Artifacts in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.artifacts.artifact import Artifact
from pipeline.cli.summary import artifact_data, artifact_lines, size_text
from pipeline.records.files import FileRecord

ARTIFACT = Artifact(
    folder=Path("out"),
    stage="export",
    key="k",
    digest="d",
    files=(
        FileRecord("onnx/a.onnx", "s", 1500, False),
        FileRecord("onnx/w.data", "t", 5_600_000, True),
    ),
    seconds=1.25,
    peak_rss_bytes=600_000_000,
    made="2026-01-02T03:04:05+00:00",
)


def test_a_made_artifact():
    assert artifact_lines(ARTIFACT) == [
        "export: done in 1.2 s, peak memory 600.0 MB",
        "  onnx/a.onnx     1.5 kB",
        "  onnx/w.data     5.6 MB  (shared)",
    ]


def test_a_reused_artifact():
    line = artifact_lines(ARTIFACT.as_reused())[0]
    assert line == "export: reused, made in 1.2 s on 2026-01-02"


def test_data_says_whether_it_was_reused():
    data = artifact_data(ARTIFACT.as_reused())
    assert data["reused"] is True
    assert data["files"][0]["path"] == "onnx/a.onnx"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (13.5e9, "13.5 GB")]
)
def test_sizes(count, text):
    assert size_text(count) == text
