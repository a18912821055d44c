"""Figures of the code's structure, of an earlier checkout and of this one.

    python -m reports.structure.measure CHECKOUT_OF_THEN

Reads sources as text; nothing of either checkout is imported or run. Writes data.json and
report.md.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from reports.common import publish, table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OPENS = re.compile(r"\bInferenceSession\(")
BINDS = re.compile(r"\.io_binding\(\)")
CHAINS = re.compile(r"\bfacts\[[\"']")
ANY = re.compile(r"\[str, Any\]")
COPIES = re.compile(r"def __exit__\(\s+self,\s+kind: .*?self\.close\(\)", re.DOTALL)
SITE = re.compile(r"^class (\w+Site)\(", re.MULTILINE)


def sources(checkout: Path) -> dict[str, str]:
    """Return dotted name -> text of every module of the packages."""
    files = [*(checkout / "pipeline").rglob("*.py"), *(checkout / "models").rglob("*.py")]
    return {dotted(file.relative_to(checkout)): file.read_text() for file in sorted(files)}


def dotted(path: Path) -> str:
    """Return the module's name."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def named(text: str) -> set[str]:
    """Return every dotted name that a module imports, also for type checking alone."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def imports(name: str, text: str, known: Iterable[str]) -> set[str]:
    """Return the modules of the project that one imports."""
    found = named(text)
    packages = {other for other in found if any(k.startswith(f"{other}.") for k in known)}
    return (found & set(known)) - packages - {name}


def circles(modules: dict[str, str]) -> list[list[str]]:
    """Return the groups of modules that import each other (Tarjan's components of two or more)."""
    graph = {name: sorted(imports(name, text, modules)) for name, text in modules.items()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            group = []
            while not group or group[-1] != name:
                group.append(stack.pop())
            found.extend([sorted(group)] if len(group) > 1 else [])

    for name in graph:
        if name not in index:
            visit(name)
    return found


def construct_places(modules: dict[str, str]) -> dict[str, int]:
    """Return in how many places each construct is written down, by the name of its site.

    A place is a folder with modules that name the site (it, its finders, its lowerings), or a
    module elsewhere that imports one of them.
    """
    naming = {
        site: {name for name, text in modules.items() if re.search(rf"\b{site}\b", text)}
        for text in modules.values()
        for site in SITE.findall(text)
    }
    folders = {site: {name.rpartition(".")[0] for name in names} for site, names in naming.items()}
    shared = Counter(folder for each in folders.values() for folder in each)
    found = {}
    for site, own in folders.items():
        whole = {folder for folder in own if shared[folder] == 1}
        using = {
            name
            for name, text in modules.items()
            if named(text) & (naming[site] | whole) and not inside(name, own)
        }
        found[site] = len(own) + len(using)
    return found


def inside(name: str, folders: Iterable[str]) -> bool:
    """Return whether a module is one of the folders or lies in one."""
    return name in folders or name.rpartition(".")[0] in folders


def ours_files(checkout: Path) -> list[Path]:
    """Return the modules of pipeline/ that are no package's `__init__`."""
    return [p for p in (checkout / "pipeline").rglob("*.py") if p.name != "__init__.py"]


def test_of(module: Path, checkout: Path) -> Path:
    """Return where a module's own tests would lie: at its path below tests/."""
    path = checkout / "tests" / module.relative_to(checkout)
    return path.with_name(f"test_{module.name}")


def figures(checkout: Path) -> dict[str, str]:
    """Return what is counted of one checkout, as text."""
    modules = sources(checkout)
    ours = {name: text for name, text in modules.items() if name.startswith("pipeline")}
    lines = [len(text.splitlines()) for text in ours.values()]
    root = [p for p in (checkout / "pipeline/graph").glob("*.py") if p.name != "__init__.py"]
    untested = [file for file in ours_files(checkout) if not test_of(file, checkout).exists()]
    places = construct_places(ours).values()
    return {
        "modules of pipeline/": str(len(ours)),
        "lines of a module, median and longest": f"{median(lines):.0f}, {max(lines)}",
        "`[str, Any]`": str(sum(len(ANY.findall(text)) for text in ours.values())),
        '`facts["..."]`': str(sum(len(CHAINS.findall(text)) for text in ours.values())),
        "modules that open a session of ONNX Runtime": _holding(ours, OPENS),
        "modules that bind its memory": _holding(ours, BINDS),
        "copies of closing at the end of a `with` block": _holding(ours, COPIES),
        "circles of imports": str(len(circles(modules))),
        "loose modules of pipeline/graph": str(len(root)),
        "constructs": str(len(places)),
        "places a construct is written down in, median and most": (
            f"{median(places):.0f}, {max(places)}"
        ),
        "modules without a test file of their own": str(len(untested)),
    }


def _holding(modules: dict[str, str], pattern: re.Pattern[str]) -> str:
    return str(sum(bool(pattern.search(text)) for text in modules.values()))


def commit(checkout: Path) -> str:
    """Return the abbreviated commit of a checkout."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def page(data: dict) -> str:
    """Return the report."""
    rows = [[name, before, after] for name, (before, after) in data["figures"].items()]
    lines = [
        "# How the code is laid out",
        "",
        f"Commit {data['before']} before; after is the version that this page lies in.",
        "",
        *table(["figure", "before", "after"], rows),
        "",
        (HERE / "notes.md").read_text(encoding="utf-8").strip(),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Count both checkouts and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    then = parser.parse_args().before
    before, after = figures(then), figures(ROOT)
    found = {name: [before[name], after[name]] for name in before}
    data = {"before": commit(then), "figures": found}
    publish(HERE, data, page(data))


if __name__ == "__main__":
    main()
