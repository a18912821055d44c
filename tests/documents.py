"""Code blocks of Markdown pages, run in order as a reader would, in a fresh folder.

What is done with a block is said by its language and by a comment right above its fence, which
neither GitHub nor the site shows. Several marks in one comment are separated by `;`.

    ```sh                      run by bash, which stops at the first command that fails
    ```python                  run in one namespace for all blocks of the page
    ```text                    after one of these: lines that it has printed, in this order

    <!-- exit: 1 -->           the exit code of a shell block, 0 otherwise
    <!-- slow -->              left to the tests marked slow, as is what builds on it
    <!-- skip: reason -->      not run, for the reason given
    <!-- file: NAME -->        a file: laid into the folder, and equal to the repository's if it
                               has one of that name
    <!-- figures vary -->      above ```text: numbers are compared as numbers, not by value

In ```text, `...` stands for anything inside a line, and alone in a line for any lines. Any other
word in a comment is for other readers of the page.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(
    r"(?:^<!-- (?P<marks>[^\n]*?) -->\n)?^```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RUN = ("sh", "python")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: The file it stands in.
        line: The number of its first line.
        language: What stands behind the fence.
        text: Its lines.
        marks: What the comment above says, as name and value.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Return page and line."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether it is code that is to be run."""
        return self.language in RUN and not {"skip", "file"} & self.marks.keys()


def blocks_of(page: Path) -> list[Block]:
    """Return every fenced block of a page in order."""
    content = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            content.count("\n", 0, found.start("text")) + 1,
            found["language"],
            found["text"],
            _marks(found["marks"] or ""),
        )
        for found in FENCE.finditer(content)
    ]


def _marks(comment: str) -> dict[str, str]:
    pairs = (word.partition(":") for word in comment.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}


def commands_in(block: Block) -> Iterator[list[str]]:
    """Yield the words behind `pipeline` of every such command in a shell block."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars="&|;><")
        words.whitespace_split = True
        for joint, command in itertools.groupby(words, lambda word: not word.strip("&|;><")):
            name, *rest = command
            if not joint and name.rpartition("/")[2] == "pipeline":
                yield rest


class Reader:
    """Follows one page in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""

    def follow(self, blocks: list[Block], *, slow: bool) -> int:
        """Run the blocks of a page in order; return how many were run."""
        ran = 0
        for block in blocks:
            self.check_marks(block)
            if "slow" in block.marks and not slow:
                self.printed = ""
            elif "file" in block.marks:
                self.lay(block)
            elif block.runs:
                self.printed = self.shell(block) if block.language == "sh" else self.python(block)
                ran += 1
            elif block.language == "text" and "skip" not in block.marks:
                self.compare(block)
        return ran

    def check_marks(self, block: Block) -> None:
        """Fail on a block that is neither code, nor a file, nor output, nor left out."""
        known = block.language in (*RUN, "text") or {"skip", "file"} & block.marks.keys()
        assert known, f"{block.place}: say by a comment what this {block.language!r} block is"
        if "skip" in block.marks:
            assert block.marks["skip"], f"{block.place}: skip: says why"

    def lay(self, block: Block) -> None:
        """Write a file that the page shows, which is the repository's where it has one."""
        name = block.marks["file"]
        theirs = ROOT / name
        if theirs.exists():
            assert theirs.read_text(encoding="utf-8") == block.text, f"{block.place}: {name}"
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def shell(self, block: Block) -> str:
        """Return what the commands printed, or fail with it."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=self.folder,
            env=_environment(self.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        wanted = int(block.marks.get("exit", "0"))
        told = f"{block.place} ended with {done.returncode}, not {wanted}:\n{done.stdout}"
        assert done.returncode == wanted, told
        return done.stdout

    def python(self, block: Block) -> str:
        """Return what the code printed."""
        lines = "\n" * (block.line - 1) + block.text  # so that a traceback names the page's line
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(io.StringIO()) as printed,
            _importing_from(self.folder),
        ):
            exec(compile(lines, str(block.page), "exec", dont_inherit=True), self.names)
        return printed.getvalue()

    def compare(self, block: Block) -> None:
        """Fail unless each line shown was printed by the block before, in this order."""
        loose = "figures vary" in block.marks
        if not self.printed and "slow" in block.marks:
            return
        printed = [line.rstrip() for line in self.printed.splitlines()]
        at = 0
        for line in block.text.rstrip().splitlines():
            if not line.strip() or line.strip() == "...":
                continue
            pattern = _pattern(line.rstrip(), loose=loose)
            while at < len(printed) and not pattern.fullmatch(printed[at]):
                at += 1
            assert at < len(printed), f"{block.place}: {line!r} is not in\n{self.printed}"
            at += 1


def _pattern(line: str, *, loose: bool) -> re.Pattern[str]:
    """Return what matches a line of shown output."""
    pieces = line.split("...")
    return re.compile(".*".join(_loosely(p) if loose else re.escape(p) for p in pieces))


def _loosely(text: str) -> str:
    """Return a pattern in which every number and every run of blanks may be another one."""
    between = (re.sub(r"(?:\\ )+", r"\\s+", re.escape(words)) for words in NUMBER.split(text))
    return NUMBER.pattern.join(between)


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `pipeline` is this checkout's, and nothing asks a hub."""
    tools = folder / ".tools"
    if not tools.exists():
        tools.mkdir()
        script = tools / "pipeline"
        script.write_text(
            f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m pipeline "$@"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "COLUMNS": "100", "NO_COLOR": "1"}


@contextlib.contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let a script import what lies beside it, and forget it afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[name]
