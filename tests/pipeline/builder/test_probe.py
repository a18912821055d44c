"""Asking the builder for a dedicated kernel, one form of attention at a time."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipeline.builder import probe as module
from pipeline.builder.probe import probe
from pipeline.records.engine import AttentionRow

ROW = AttentionRow("a", "float16", (-1, 2, -1, 16), (-1, 2, -1, 16), "", False, None, "")
NO_KERNEL = "[E] attention cannot be implemented by a dedicated kernel"


@pytest.fixture
def asked(monkeypatch):
    """Return the rows that were built; `answers` maps a dtype to what the builder said, if any."""
    rows, answers = [], {}

    def build_alone(trt, builder, row, targets):
        rows.append(row)
        errors, said = answers.get(row.dtype, ([], True))
        builder.errors.extend(errors)
        return said

    monkeypatch.setattr(module, "_build_alone", build_alone)
    return SimpleNamespace(rows=rows, answers=answers)


def ask(*rows):
    errors = ["an old line"]
    return list(probe(None, SimpleNamespace(errors=errors), rows, ("8.0",), errors))


def test_equal_forms_are_built_once(asked):
    rows = [ROW, replace(ROW, name="b"), replace(ROW, name="c", causal=True)]
    made = ask(*rows)
    assert [row.name for row in made] == ["a", "b", "c"]
    assert all(row.dedicated and not row.reason for row in made)
    assert [row.name for row in asked.rows] == ["a", "c"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (replace(ROW, dtype="float32"), "no dedicated kernel for float32"),
        (replace(ROW, query=(1, 2, 8, 8)), "head size 8, only 9 to 256"),
        (replace(ROW, query=(1, 2, 8, 257)), "head size 257, only 9 to 256"),
        (replace(ROW, query=(1, 2, 8, 256)), "for this form on these targets"),
        (replace(ROW, query=(1, 2, 8, 9)), "for this form on these targets"),
    ],
    ids=["float32", "small", "large", "largest", "smallest"],
)
def test_what_is_known_to_stand_in_the_way_is_said(row, words, asked):
    asked.answers[row.dtype] = ([NO_KERNEL], False)
    (made,) = ask(row)
    assert made.dedicated is False
    assert words in made.reason
    assert "GEMM, softmax, GEMM" in made.reason


@pytest.mark.parametrize(
    ("errors", "why"), [(["[E] out of memory", "more"], "out of memory"), ([], "gave no reason")]
)
def test_a_build_that_fails_otherwise_answers_nothing(errors, why, asked):
    asked.answers["float16"] = (errors, False)
    (made,) = ask(ROW)
    assert made.dedicated is None
    assert made.reason.startswith("the probe failed: ")
    assert why in made.reason


@pytest.fixture(scope="module")
def rtx():
    trt = pytest.importorskip("tensorrt_rtx")

    class Log(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.errors = []

        def log(self, severity, msg):
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(msg)

    logger = Log()
    return trt, trt.Builder(logger), logger.errors, logger


FORMS = {
    "dynamic": (ROW, True),
    "open heads": (replace(ROW, query=(-1, -1, -1, 16), key=(-1, -1, -1, 16)), True),
    "grouped": (replace(ROW, query=(1, 4, -1, 16), key=(1, 2, -1, 16)), True),
    "masked": (replace(ROW, mask="float16 [-1, 1, -1, -1]"), True),
    "boolean mask": (replace(ROW, mask="bool [1, -1, -1, -1]"), True),
    "causal": (replace(ROW, causal=True), True),
    "float32": (replace(ROW, dtype="float32"), False),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_builder_answers(name, rtx):
    trt, builder, errors, _logger = rtx
    row, dedicated = FORMS[name]
    (made,) = probe(trt, builder, [row], ("8.0", "12.0"), errors)
    assert made.dedicated is dedicated, made.reason
