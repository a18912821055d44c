"""The shared small types."""

from __future__ import annotations

from pipeline.types import PRECISIONS, SILENT, TARGETS, Progress


def test_names_a_user_may_type():
    assert TARGETS == ("onnx", "ort-cpu", "ort-cuda", "tensorrt", "tensorrt-rtx")
    assert PRECISIONS == ("fp32", "fp16", "bf16", "int8", "int8-weights", "fp8", "int4")


def test_silent_is_a_progress_that_says_nothing(capsys):
    progress: Progress = SILENT
    progress.step("x", 1, 2)
    progress.note("x")
    assert capsys.readouterr() == ("", "")
