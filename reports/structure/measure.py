"""Figures of the code's structure: `reports/structure/measure.py CHECKOUT...`, a column each.

Reads sources as text; nothing of the project is imported or run.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path

OPENS = re.compile(r"\bInferenceSession\(")
BINDS = re.compile(r"\.io_binding\(\)")
CHAINS = re.compile(r"facts\[[\"']")
ANY = re.compile(r"\[str, Any\]")


def sources(checkout: Path) -> dict[str, str]:
    """Return dotted name -> text of every module of the packages."""
    files = [*(checkout / "pipeline").rglob("*.py"), *(checkout / "models").rglob("*.py")]
    return {dotted(file.relative_to(checkout)): file.read_text() for file in sorted(files)}


def dotted(path: Path) -> str:
    """Return the module's name."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(name: str, text: str, known: Iterable[str]) -> set[str]:
    """Return the modules of the project that one names, also for type checking alone."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
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


def figures(checkout: Path) -> dict[str, str]:
    """Return what is counted of one checkout, as text."""
    modules = sources(checkout)
    ours = {name: text for name, text in modules.items() if name.startswith("pipeline")}
    lines = [len(text.splitlines()) for text in ours.values()]
    root = [p for p in (checkout / "pipeline/graph").glob("*.py") if p.name != "__init__.py"]
    tests = {path.name for path in (checkout / "tests").rglob("test_*.py")}
    untested = [n for n in modules if f"test_{n.rsplit('.', 1)[-1]}.py" not in tests]
    return {
        "modules of pipeline/": str(len(ours)),
        "lines, median and longest": f"{sorted(lines)[len(lines) // 2]}, {max(lines)}",
        "`[str, Any]`": str(sum(len(ANY.findall(text)) for text in ours.values())),
        '`facts["..."]`': str(sum(len(CHAINS.findall(text)) for text in ours.values())),
        "modules that open a session of ONNX Runtime": _holding(ours, OPENS),
        "modules that bind its memory": _holding(ours, BINDS),
        "circles of imports": str(len(circles(modules))),
        "loose modules of pipeline/graph": str(len(root)),
        "modules without a test file of their name": str(len(untested)),
    }


def _holding(modules: dict[str, str], pattern: re.Pattern[str]) -> str:
    return str(sum(bool(pattern.search(text)) for text in modules.values()))


def main() -> None:
    """Print a table with a column for each checkout."""
    columns = [figures(Path(name)) for name in sys.argv[1:]]
    print("| figure | " + " | ".join(Path(name).name or name for name in sys.argv[1:]) + " |")
    print("| --- |" + " --- |" * len(columns))
    for row in columns[0]:
        print(f"| {row} | " + " | ".join(column[row] for column in columns) + " |")


if __name__ == "__main__":
    main()
