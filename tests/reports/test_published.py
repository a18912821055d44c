"""The published pages: each is what its script makes of the summary beside it."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPORTS = Path(__file__).parents[2] / "reports"
OURS = ("pipeline", "models", "reports", "tests")


def read(name):
    return json.loads((REPORTS / name).read_text(encoding="utf-8"))


def script(name):
    return importlib.import_module(f"reports.{name}")


def blocks():
    return script("engines.render").content(read("engines/data.json"))


PAGES = {
    "cost/report.md": lambda: script("cost.measure").report(read("cost/data.json")),
    "decode/report.md": lambda: script("decode.measure").render(read("decode/data.json")),
    "engines/report.html": lambda: script("engines.render").page(blocks()),
    "engines/report.md": lambda: script("engines.render").markdown(blocks()),
    "exports/report.md": lambda: script("exports.render").page(
        read("exports/data.json"), read("exports/whole.json")
    ),
    "foreign/report.md": lambda: script("foreign.render").page(read("foreign/data.json")),
    "fusion/further.md": lambda: script("fusion.measure").page(
        read("fusion/further.json"), "further"
    ),
    "fusion/report.md": lambda: script("fusion.measure").page(read("fusion/data.json"), ""),
    "latency/report.md": lambda: script("latency.measure").report(read("latency/data.json")),
    "packages/report.md": lambda: script("packages.measure").page(read("packages/data.json")),
    "startup/report.md": lambda: script("startup.measure").page(read("startup/data.json")),
    "structure/report.md": lambda: script("structure.measure").page(read("structure/data.json")),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_its_summary_holds(name):
    assert PAGES[name]() == (REPORTS / name).read_text(encoding="utf-8")


def test_summaries_are_small():
    sizes = {p.name: p.stat().st_size for p in REPORTS.rglob("*.json") if p.name != "raw.json"}
    assert max(sizes.values()) < 100_000, sizes


def test_raw_figures_are_ignored_by_git():
    asked = ["git", "check-ignore", "-q", "reports/latency/raw.json"]
    assert subprocess.run(asked, cwd=REPORTS.parent).returncode == 0


def test_every_report_is_in_the_table():
    listed = re.findall(r"\]\((\S+?)/", (REPORTS / "README.md").read_text(encoding="utf-8"))
    assert {p.name for p in REPORTS.iterdir() if any(p.glob("*.py"))} == set(listed)


def imports(path):
    """Return (module, name) of everything a script takes from this repository."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("name", sorted(str(p.relative_to(REPORTS)) for p in REPORTS.rglob("*.py")))
def test_what_a_script_imports_exists(name):
    """Its imports are inside functions that run for hours, where no test goes."""
    for module, wanted in imports(REPORTS / name):
        found = importlib.import_module(module)
        assert hasattr(found, wanted) or importlib.import_module(f"{module}.{wanted}"), module


@pytest.mark.parametrize("name", ["latency.measure", "cost.measure"])
def test_a_script_says_how_it_is_run(name):
    said = subprocess.run(
        [sys.executable, "-m", f"reports.{name}", "--help"],
        capture_output=True, text=True, cwd=REPORTS.parent, check=True,
    )  # fmt: skip
    assert f"python -m reports.{name}" in script(name).__doc__
    assert said.stdout.startswith("usage:")
