"""What an exporter's failure means, in names of inputs and sizes instead of the tracer's own."""

from __future__ import annotations

import re

from pipeline.errors import ExportError, ValueBranchError, first_line
from pipeline.stages.export.parts import ExportPart

_SIZE = re.compile(r"L\['tensors'\]\[(\d+)\]\.size\(\)\[(\d+)\]")
_FIXED = re.compile(
    _SIZE.pattern + r" as dynamic but your code specialized it to be a constant \((\d+)\)"
)
_PLACE = re.compile(r'raised this error:\s+File "([^"]+)", line (\d+), in \w+\n?[ \t]*(\S[^\n]*)?')


def export_error(error: BaseException, part: ExportPart, exporter: str) -> ExportError:
    """Return an exporter's failure as an error of ours: what forward() does, and where."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    where = f"part {part.name}, {exporter} exporter"
    if "Could not guard on data-dependent expression" in str(root):
        return ValueBranchError(
            f"forward() decides by a value{_place(str(root))}",
            where=where,
            fix="write the decision with torch.where or torch.cond, so that both ways are exported",
        )
    fix = "see the exporter's message; --exporter picks another one"
    return ExportError(in_our_words(root, part), where=where, fix=fix)


def in_our_words(error: BaseException, part: ExportPart) -> str:
    """Return an exporter's message: sizes that forward() makes constants, else its first line."""
    fixed = [f"{_name(m, part)} to be {m[3]}" for m in _FIXED.finditer(str(error))]
    if fixed:
        return (
            f"forward() needs {', '.join(dict.fromkeys(fixed))}: "
            "it loops over that size, or takes it as a plain number"
        )
    return f"{type(error).__name__}: {_SIZE.sub(lambda m: _name(m, part), first_line(error))}"


def _name(match: re.Match[str], part: ExportPart) -> str:
    name, axis = list(part.inputs)[int(match[1])], int(match[2])
    return part.axes.get(name, {}).get(axis, f"{name} axis {axis}")


def _place(text: str) -> str:
    found = _PLACE.search(text)
    if found is None:
        return ""
    code = f": {found[3].strip()}" if found[3] else ""
    return f" ({found[1]}:{found[2]}{code})"
