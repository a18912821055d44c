"""The documentation says what is true: its code runs, its commands, names and paths exist."""

from __future__ import annotations

import re

import click
import pytest

from pipeline.cli.app import group
from tests.documents import ROOT, Reader, blocks_of, commands_in

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
