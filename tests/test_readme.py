"""What the README says is true: commands parse, code runs, files are as shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from pipeline.cli.app import COMMANDS, group, run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language):
    """Return (marker above it, text) for each fenced block of a language."""
    pattern = rf"(?:<!-- (.*?) -->\n)?```{language}\n(.*?)```"
    return re.findall(pattern, README, re.DOTALL)


def command_lines():
    found = [line for _, text in blocks("sh") for line in text.splitlines()]
    pieces = [piece for line in found for piece in line.split("&&")]
    for piece in pieces:
        words = shlex.split(piece, comments=True)
        if words and words[0].rpartition("/")[2] == "pipeline":
            yield words[1:]


@pytest.mark.parametrize("words", list(command_lines()), ids=" ".join)
def test_every_command_shown_is_one_we_have(words):
    name, *rest = words
    command = group.get_command(click.Context(group), name)
    assert command is not None
    command.make_context(name, rest)  # raises on an option that does not exist


def test_it_opens_with_two_lines_that_a_fresh_clone_can_run():
    shells = blocks("sh")
    assert [marker for marker, _ in shells[:2]] == ["command: run", "command: test"]
    for _, text in shells[:2]:
        assert len(text.strip().splitlines()) == 1
        assert text.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert shells[0][1].strip().endswith(".venv/bin/pipeline run zh-en -o out")


def test_files_shown_are_the_files_there():
    shown = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert shown
    for name, text in shown:
        assert (ROOT / name).read_text() == text, name


def test_python_shown_runs():
    for marker, text in blocks("python"):
        if marker.startswith("python"):
            exec(compile(text, marker, "exec"), {})


def test_the_configuration_shown_is_accepted(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(["run", "--config", str(ROOT / "examples/run.toml"), "--dry-run"]) == 0
    assert "would make" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_command_is_in_the_table():
    table = README[README.index("## Commands") : README.index("## What lies on disk")]
    for name in COMMANDS:
        assert re.search(rf"`{name}\b", table), name


def test_links_lead_somewhere():
    for text in (README, CONTRIBUTING):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("https://") or (ROOT / target).exists(), target


def test_paths_named_in_the_recipes_exist():
    for name in re.findall(r"`((?:pipeline|models|tests)/[\w/]+\.py)`", CONTRIBUTING):
        assert (ROOT / name).exists(), name
