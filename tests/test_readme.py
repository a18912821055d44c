"""What the README says is true: its commands and code run, its files, links and options exist."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import onnx
import pytest
from onnx import helper

from pipeline.cli.app import COMMANDS, group
from tests.documents import ROOT, Reader, blocks_of

PAGE = ROOT / "README.md"
README = PAGE.read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = blocks_of(PAGE)
SHELL = [block for block in BLOCKS if block.language == "sh"]
DRAWINGS = 1  # blocks without a language: the flow of data


@dataclass(frozen=True)
class Case:
    """How one command of the README is run.

    Attributes:
        run: What runs; empty where it is the command as shown.
        quick: What the quick tests run where the command takes long; empty for nothing.
        exit: The exit code it must end with.
        says: What its output must contain.
        makes: Files it must leave, by pattern.
        why: The reason where something else runs, or nothing does.
        runs: Whether anything does.
        slow: Whether that takes longer than a few seconds.
        before: A command of the README that has to run first.
    """

    run: str = ""
    quick: str = ""
    exit: int = 0
    says: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    why: str = ""
    runs: bool = True
    slow: bool = False
    before: str = ""


IN_CI = "`.ci/run` does it, in an environment of its own; here the tests would run themselves"
ON_DISK = ("onnx/*.onnx", "onnx/weights-*.data", "manifest/*.json", "report.html", "report.md")
ANSWER = "I'm happy today\n"
FIRST = ".venv/bin/pipeline run zh-en -o out"
MINE = "pipeline run examples/my_model.py:build -o out-mine"

# Every command shown, in the README's order.
CASES = {
    "python3 -m venv .venv": Case(runs=False, why=IN_CI),
    ".venv/bin/pip install -q '.[cpu,rtx]'": Case(runs=False, why=IN_CI),
    FIRST: Case(
        "pipeline run zh-en -o out",
        says=("report: ", "parity               made in"),
        makes=tuple(f"out/{name}" for name in (*ON_DISK, "engine/*.plan", "tokenizer/*",
                                               "parity/*.json", "perf/*.json", "data.json")),
        slow=True,
        why="the environment is the one that runs the tests",
    ),
    ".venv/bin/pip install -q -e '.[test]'": Case(runs=False, why=IN_CI),
    ".venv/bin/pytest -q -n auto -m 'not slow and not network'": Case(runs=False, why=IN_CI),
    'pipeline translate out "我今天很开心"': Case(
        says=(ANSWER,), slow=True, before=FIRST
    ),
    "pipeline doctor": Case(says=("build TensorRT-RTX", "export models")),
    "pipeline run bert-base -o out": Case(
        "pipeline run bert-base -o out --dry-run",
        says=("export               would make",),
        why="440 MB of weights and minutes of measuring; presets of every family run elsewhere",
    ),
    "pipeline run path/to/checkpoint -o out": Case(
        says=("report: ",), makes=tuple(f"out/{name}" for name in ON_DISK), slow=True
    ),
    "pipeline run hf:ORG/NAME -o out": Case(
        exit=3,
        says=("ORG/NAME is not in the local cache and the hub cannot be reached",),
        why="tests have no network: offline it ends with 3 and says so",
    ),
    "pipeline run my_model.py:build -o out": Case(
        "pipeline run my_model.py:build -o out --dry-run",
        says=("export               would make",),
        why="a block further down runs the same model",
    ),
    "pipeline optimize model.onnx -o fused.onnx": Case(makes=("fused.onnx",)),
    MINE: Case(
        quick=f"{MINE} --skip build-engine,perf,report",
        says=("parity               made in", ", passed"),
        makes=("out-mine/onnx/*.onnx", "out-mine/state/model.safetensors"),
        slow=True,
    ),
    "pipeline explain out-mine": Case(
        says=("fused    attention  layers.0.self_attn", "fused    norm       layers.0.norm1"),
        slow=True,
        before=MINE,
    ),
}  # fmt: skip


def commands_shown() -> list[str]:
    """Return every command of a shell block and of the table of what one says, in order."""
    found: list[tuple[int, str]] = []
    for block in SHELL:
        for number, line in enumerate(block.text.splitlines()):
            code = re.sub(r"\s+# .*", "", line)
            found += [(block.line + number, piece.strip()) for piece in code.split("&&")]
    for match in re.finditer(r"^\| .*\| `(pipeline [^`]+)` \|$", README, re.MULTILINE):
        found.append((README.count("\n", 0, match.start()), match[1]))
    in_order = (command for _, command in sorted(found, key=lambda entry: entry[0]))
    return [*dict.fromkeys(in_order)]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """Return one who stands in a folder with what the README takes for given."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "examples/my_model.py", tmp_path)
    save_graph(tmp_path / "model.onnx")
    return Reader(tmp_path)


def save_graph(path: Path) -> None:
    values = [helper.make_tensor_value_info(name, 1, ["n", 8]) for name in "xy"]
    node = helper.make_node("Softmax", ["x"], ["y"])
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def save_checkpoint(folder: Path) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(folder)


def follow(reader: Reader, shown: str, words: Callable[[Case], str]) -> None:
    """Run one command and hold it to what its case says."""
    case = CASES[shown]
    block = replace(SHELL[0], text=words(case), marks={"exit": str(case.exit)})
    printed = reader.shell(block)
    for part in case.says:
        assert part in printed, f"{shown}: {part!r} is not in\n{printed}"
    for pattern in case.makes:
        assert [*reader.folder.glob(pattern)], f"{shown} left no {pattern}"


def test_every_command_shown_has_its_case():
    assert commands_shown() == list(CASES)


def test_the_answer_shown_is_the_one_that_is_looked_for():
    assert f"# {ANSWER}" in README


def test_what_is_not_run_as_shown_has_a_reason():
    for shown, case in CASES.items():
        as_shown = case.runs and not case.run and case.exit == 0
        assert as_shown or case.why, shown


@pytest.mark.parametrize("shown", [name for name, c in CASES.items() if c.runs and not c.slow])
def test_a_command_does_what_is_said_of_it(reader, shown):
    follow(reader, shown, lambda case: case.run or shown)


@pytest.mark.parametrize("shown", [name for name, case in CASES.items() if case.quick])
def test_a_long_command_begins_well(reader, shown):
    follow(reader, shown, lambda case: case.quick)


LONG = {name for name, case in CASES.items() if case.slow}


@pytest.mark.slow
@pytest.mark.parametrize("shown", sorted(LONG - {case.before for case in CASES.values()}))
def test_a_long_command_does_what_is_said_of_it(reader, shown):
    save_checkpoint(reader.folder / "path/to/checkpoint")
    for name in filter(None, (CASES[shown].before, shown)):
        follow(reader, name, lambda case, name=name: case.run or name)


OTHERS = [block for block in BLOCKS if block.language != "sh"]


def test_every_other_block_is_code_that_runs_or_a_file_as_it_is(reader):
    assert len([block for block in OTHERS if not block.language]) == DRAWINGS
    reader.follow([block for block in OTHERS if block.language], slow=False)


def test_commands_named_in_the_text_are_ones_we_have():
    for name in re.findall(r"`pipeline ([a-z-]+)`", README):
        assert name in COMMANDS


def test_every_command_shown_takes_its_options():
    for shown in CASES:
        program, *words = shlex.split(shown)
        if program.rpartition("/")[2] == "pipeline":
            command = group.get_command(click.Context(group), words[0])
            assert command is not None, shown
            command.make_context(words[0], words[1:])  # raises on an option that does not exist


def test_options_named_in_the_text_exist():
    known = {"--index-url"}  # of pip
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        known |= {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
        known |= set(command.get_help_option_names(click.Context(command)))
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    assert set(re.findall(r"(?<![\w-])--[a-zA-Z][\w-]*", text)) <= known


def test_it_opens_with_two_lines_that_a_fresh_clone_can_run():
    assert [block.marks for block in SHELL[:2]] == [{"command": "run"}, {"command": "test"}]
    for block in SHELL[:2]:
        assert len(block.text.strip().splitlines()) == 1
        assert block.text.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert SHELL[0].text.strip().endswith(FIRST)


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub and the site give to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-").lower() for heading in headings}


def test_links_lead_somewhere():
    for text in (README, CONTRIBUTING):
        for target, _, anchor in re.findall(r"\]\(([^)#]*)(#([^)]+))?\)", text):
            if target.startswith("https://"):
                continue
            page = text if not target else (ROOT / target)
            if isinstance(page, Path):
                assert page.exists(), target
                page = page.read_text(encoding="utf-8") if anchor else ""
            assert not anchor or anchor in anchors(page), f"{target}#{anchor}"


def test_every_page_of_the_documentation_is_within_two_links():
    """From the README, or from a page that it links to."""
    linked = {ROOT / target for target in re.findall(r"\]\((docs/[^)#]+)", README)}
    for page in [*linked]:
        names = re.findall(r"\]\(([\w./-]+\.md)", page.read_text(encoding="utf-8"))
        linked |= {(page.parent / name).resolve() for name in names}
    assert {*(ROOT / "docs").rglob("*.md")} <= linked


def test_paths_named_in_the_recipes_exist():
    for name in re.findall(r"`((?:pipeline|models|tests)/[\w/]+\.py)`", CONTRIBUTING):
        assert (ROOT / name).exists(), name
