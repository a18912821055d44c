"""The documentation says what is true: its code runs, its commands, names and paths exist."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
import tomllib

import click
import pytest

import pipeline
from models.presets import PRESETS
from pipeline import records
from pipeline.cli.app import COMMANDS, group
from pipeline.fusion import refusal
from pipeline.fusion.attention import steps as attention
from pipeline.fusion.norm import steps as norm
from pipeline.fusion.plan import constructs, lowerings_for
from pipeline.fusion.refusal import Kind
from pipeline.records.record import Record
from pipeline.types import TARGETS
from tests.documents import ROOT, Reader, blocks_of, commands_in
from tests.test_house import LAYERS

PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCKS = {page: blocks_of(page) for page in PAGES}
NAMED = [pytest.param(page, id=page.relative_to(ROOT / "docs").as_posix()) for page in PAGES]
SLOW = [one for one in NAMED if any("slow" in block.marks for block in BLOCKS[one.values[0]])]


@pytest.mark.parametrize("page", NAMED)
def test_what_a_page_shows_runs(page, tmp_path):
    Reader(tmp_path).follow(BLOCKS[page], slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_what_a_page_shows_runs_with_its_long_blocks(page, tmp_path):
    Reader(tmp_path).follow(BLOCKS[page], slow=True)


@pytest.mark.parametrize("page", NAMED)
def test_every_command_shown_is_one_we_have(page):
    shown = (words for b in BLOCKS[page] if b.language == "sh" for words in commands_in(b))
    for words in shown:
        if words[0].startswith("-"):
            continue
        command = group.get_command(click.Context(group), words[0])
        assert command is not None, words
        command.make_context(words[0], words[1:])  # raises on an option that does not exist


@pytest.mark.parametrize("page", NAMED)
def test_paths_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:pipeline|models|tests|training|reports|docs)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name


def test_the_table_of_commands_has_all_of_them():
    cells = (cell for cell, _ in table("reference/cli.md", "| command |"))
    told = [code.split()[0] for cell in cells for code in re.findall("`([^`]+)`", cell)]
    assert sorted(told) == sorted(COMMANDS)


def test_the_table_of_extras_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = [name.strip("`") for name, *_ in table("install.md", "| extra |")]
    assert sorted(told) == sorted(project["optional-dependencies"])


def test_the_table_of_lowerings_is_that_of_the_plan():
    rows = table("concepts/fusion.md", "| construct | lowering |")
    told = {
        (construct, lowering, target)
        for construct, lowerings, targets in rows
        for lowering in re.findall(r"`(\w+)`", lowerings)
        for target in (TARGETS if targets == "all" else targets.split(", "))
    }
    assert told == {
        (construct, lowering.name, target)
        for target in TARGETS
        for construct, lowerings in lowerings_for(target).items()
        for lowering in lowerings
    }


def test_the_table_of_presets_is_that_of_the_models():
    told = [
        (name.strip("`"), family, task)
        for name, family, task in table("models/index.md", "| preset |")
    ]
    assert told == [(p.name, p.family, p.task) for p in PRESETS.values()]


def test_the_table_of_layers_is_the_one_that_imports_are_held_to():
    rows = table("architecture.md", "| units |")
    assert tuple(tuple(re.findall(r"`([\w/]+)`", units)) for units, _ in rows) == LAYERS


def test_the_table_of_constructs_is_the_plan():
    rows = table("architecture.md", "| order | construct |")
    assert [(order, name) for order, name, *_ in rows] == [
        (str(number), name) for number, name in enumerate(constructs(), 1)
    ]


def test_the_table_of_records_is_complete():
    for module in pkgutil.iter_modules(records.__path__):
        importlib.import_module(f"pipeline.records.{module.name}")
    told = {(name.strip("`"), int(number)) for name, number, _ in table("architecture.md", "| rec")}
    kinds = (found for found in Record.__subclasses__() if found.__module__.startswith("pipeline."))
    assert told == {(found.__name__, found.FORMAT) for found in kinds}


def test_every_public_name_is_in_the_reference():
    shown = set()
    for page in (ROOT / "docs/reference").glob("*.md"):
        for name in re.findall(r"^::: (pipeline[\w.]*)$", page.read_text("utf-8"), re.MULTILINE):
            home, _, last = name.rpartition(".")
            if home == "pipeline.records":
                shown |= vars(importlib.import_module(name)).keys()
            else:
                assert hasattr(importlib.import_module(home), last), name
                shown.add(last)
    assert set(pipeline.__all__) - shown == {"__version__"}


def test_the_table_of_refusals_has_every_kind_as_it_is_told():
    told = [(kind.strip("`"), meaning) for kind, meaning, _ in table("errors.md", "| kind |")]
    assert told == [(kind.name, kind.value) for kind in Kind]


def test_the_table_of_steps_is_what_recognisers_ask():
    steps = [("attention", one) for one in (attention.SCORES, attention.VALUES, attention.PAIRS)]
    steps += [("norm", one) for one in (norm.ROOT, norm.DIVIDED, norm.AXES)]
    steps += [("any", one) for one in (refusal.WRITTEN, refusal.RIGHT)]
    assert table("errors.md", "| step |") == [
        [f"{construct} {one.number} of {one.total}", one.asks, one.advice]
        for construct, one in steps
    ]


def table(page, head):
    """Return the rows of a page's table that begins with a heading."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(head))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    cells = (
        re.split(r"(?<!\\)\|", row.strip().removeprefix("|").removesuffix("|")) for row in rows
    )
    return [[cell.strip() for cell in row] for row in cells]
