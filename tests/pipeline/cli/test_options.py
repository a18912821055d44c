"""Flags read off a dataclass: names, types, defaults, help; repeated and comma values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click
import pytest
from click.testing import CliRunner

from pipeline.cli.options import Flag, attributes_of, options_of, with_options
from pipeline.cli.values import Shapes


@dataclass(frozen=True)
class Sample:
    """Options.

    Attributes:
        kind: One or two,
            told on two lines.
        count: How many; None takes all.
        seed: A number.
        deep: On by default.
        raw: Off by default.
        names: Repeated.
        words: Repeated, commas inside.
        shapes: Repeated, commas inside, parsed.
        dims: Pinned.
        where: A path.
        sizes: In elements.
        check: Whether.
    """

    kind: Literal["one", "two"] = "one"
    count: int | None = None
    seed: int = 0
    deep: bool = True
    raw: bool = False
    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    shapes: tuple[Mapping[str, tuple[int, ...]], ...] = ()
    dims: Mapping[str, int] = field(default_factory=dict)
    where: Path | None = None
    sizes: tuple[int, ...] = (1, 8)
    check: Literal["no", "some", "yes"] = "some"


def call(*words):
    got = {}
    flags = {
        "words": Flag(split=False),
        "shapes": Flag(("--minShapes",), type=Shapes(), split=False),
        "kind": Flag(once=True),
        "check": Flag(on_off=("yes", "no")),
    }

    @click.command()
    @with_options(options_of(Sample, flags=flags))
    def command(**values):
        got.update(values)

    result = CliRunner().invoke(command, words)
    return result, (Sample(**got) if got else None)


def test_without_words_the_defaults_stand():
    result, got = call()
    assert result.exit_code == 0, result.output
    assert got == Sample()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--kind", "two"], {"kind": "two"}),
        (["--count", "3"], {"count": 3}),
        (["--no-deep"], {"deep": False}),
        (["--raw"], {"raw": True}),
        (["--names", "a,b", "--names", "c"], {"names": ("a", "b", "c")}),
        (["--words", "a,b", "--words", "c"], {"words": ("a,b", "c")}),
        (
            ["--minShapes=x:1,y:2x3", "--minShapes=x:3"],
            {"shapes": ({"x": (1,), "y": (2, 3)}, {"x": (3,)})},
        ),
        (["--shapes=x:1"], {"shapes": ({"x": (1,)},)}),
        (["--dims", "batch=2,seq=7", "--dims", "k=1"], {"dims": {"batch": 2, "seq": 7, "k": 1}}),
        (["--where", "a/b"], {"where": Path("a/b")}),
        (["--sizes", "2,4"], {"sizes": (2, 4)}),
        (["--check"], {"check": "yes"}),
        (["--no-check"], {"check": "no"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_words_become_values(words, expected):
    result, got = call(*words)
    assert result.exit_code == 0, result.output
    assert got == Sample(**expected)


@pytest.mark.parametrize(
    "words",
    [
        ["--kind", "three"],
        ["--count", "x"],
        ["--sizes", "1,x"],
        ["--dims", "batch"],
        ["--dims", "b=1,b=2"],
    ],
    ids=lambda words: words[1],
)
def test_bad_values_are_usage_errors(words):
    result, _ = call(*words)
    assert result.exit_code == 2
    assert words[0] in result.output


def test_help_has_texts_and_defaults():
    text = " ".join(call("--help")[0].output.split())
    assert "One or two, told on two lines. [default: one]" in text
    assert "How many; left out, it takes all." in text
    assert "A number. [default: 0]" in text
    assert "In elements. [default: (1,8)]" in text
    assert "--deep / --no-deep" in text


def test_attributes_end_where_the_section_ends():
    assert attributes_of(Sample)["kind"] == "One or two, told on two lines."
    assert set(attributes_of(Sample)) == set(Sample.__dataclass_fields__)


def test_one_value_is_not_taken_for_several():
    result, _ = call("--kind", "two", "--kind", "one")
    assert result.exit_code == 2
    assert "one value, not 2 (two, one)" in result.output
    assert call("--kind", "two", "--kind", "two")[1].kind == "two"
    assert call("--kind", "three")[0].exit_code == 2
    told = call("--help")[0].output
    assert "--kind [one|two]" in told
    assert "[default: one]" in told
