"""Errors: three parts, and one exit code per class."""

from __future__ import annotations

import pytest

from pipeline import errors


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "what"),
        ({"where": "node"}, "what\n  where: node"),
        ({"fix": "do"}, "what\n  fix:   do"),
        ({"where": "node", "fix": "do"}, "what\n  where: node\n  fix:   do"),
    ],
    ids=["what", "where", "fix", "all"],
)
def test_empty_parts_are_left_out(parts, text):
    assert str(errors.PipelineError("what", **parts)) == text


def test_exit_codes_are_those_of_the_tree_in_the_docstring():
    for name, kind in vars(errors).items():
        ours = isinstance(kind, type) and issubclass(kind, errors.PipelineError)
        if ours and kind is not errors.PipelineError:
            line = next(line for line in errors.__doc__.splitlines() if f" {name} " in line)
            assert line.split(name)[1].split()[0] == str(kind.exit_code)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  \n says it late\n"), "says it late"),
        (RuntimeError(), "RuntimeError"),
        (RuntimeError("x" * 500), "x" * 400),
    ],
    ids=["first", "blank lines", "empty", "long"],
)
def test_the_first_line_of_an_error_always_says_something(error, text):
    assert errors.first_line(error) == text
