"""From a dead or unhappy child to one error: cause, node, module path, remedy."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.builder.request import Heard, ParserRow
from pipeline.builder.rules import RULES, Kind
from pipeline.errors import BadModelError, BuildError, EnvironmentMissingError, PipelineError

_DRIVER_ECHO = re.compile(r"cudaError 35|CUDA initialization failure|catchCudaError")
_BAD = ("ERROR", "INTERNAL_ERROR")
KILLED = 9  # SIGKILL, a name that Windows lacks
WINDOWS_CRASH = 0xC0000000  # statuses from here on are exceptions that ended the process
_SHARED = (
    "two attentions sharing queries or keys crash this builder unless each has its own Mul and "
    "scale=1; `pipeline optimize --target tensorrt` writes that form"
)


@dataclass(frozen=True)
class Diagnosis:
    """What went wrong, in words a person can act on."""

    cause: str
    fix: str
    kind: Kind
    node: str = ""
    said: str = ""

    def error(self, where: str, module_path: str = "") -> PipelineError:
        """Return the exception that says so, with the exit code of its kind."""
        kinds: dict[Kind, type[PipelineError]] = {
            "model": BadModelError,
            "build": BuildError,
            "environment": EnvironmentMissingError,
        }
        place = ", ".join(filter(None, [where, self.node and f"node {self.node}", module_path]))
        said = f" ({self.said})" if self.said and self.said != self.cause else ""
        return kinds[self.kind](f"{self.cause}{said}", where=place, fix=self.fix)


def diagnose(heard: Heard, exit_code: int, stderr: str) -> Diagnosis:
    """Return the cause of a failed child.

    Args:
        heard: What it reported.
        exit_code: Its status; negative is the signal that killed it, and on Windows a large
            number is the exception.
        stderr: What it and the compiler wrote there.
    """
    if not heard.done and (exit_code < 0 or exit_code >= WINDOWS_CRASH):
        return _crash(exit_code, stderr)
    if heard.failed_at == "write":
        return Diagnosis(
            f"the plan could not be written: {heard.failure}", "free some space", "build"
        )
    lines = [text for severity, text in heard.log if severity in _BAD]
    kept = [k for k in map(_without_echo, lines) if k]
    if heard.parser:
        rows = [replace(row, text=_without_echo(row.text)) for row in heard.parser]
        texts = [f"{row.code} {row.operator}: {row.text}" for row in rows]
        return _of_parser(rows, _first_match([*texts, *kept]), kept)
    lines = kept or lines
    found = _first_match([heard.failure, *lines, stderr])
    if found is not None:
        return found
    said = _short(lines[0] if lines else stderr)
    return Diagnosis(
        "the builder failed" if heard.failed_at else "the builder's process failed",
        "see the log beside the plan; --reduce FILE.onnx leaves a smaller graph that fails alike",
        "build",
        said=said,
    )


def _without_echo(text: str) -> str:
    """Return the text without the driver's complaint that follows every other error here."""
    return "\n".join(line for line in text.splitlines() if not _DRIVER_ECHO.search(line))


def _of_parser(
    rows: Sequence[ParserRow], found: Diagnosis | None, lines: Sequence[str]
) -> Diagnosis:
    """The parser names the node; the logger sometimes knows the real cause (lost weights)."""
    node = next((r for r in rows if r.node), rows[0])
    operator = f" {node.operator}" if node.operator else ""
    logged = _first_match(lines)
    files = ("weights file", "no such ONNX", "truncated")
    if logged is not None and any(word in logged.cause for word in files):
        found = logged
    cause = found.cause if found else f"the parser refused the operator{operator}"
    fix = found.fix if found else "see the parser's words"
    others = len({r.node for r in rows if r.node}) - 1
    more = f"; {others} more nodes are refused" if others > 0 else ""
    named = f"{node.node} ({node.operator})" if node.node else ""
    return Diagnosis(cause + more, fix, "model", named, _short(node.text))


def _first_match(texts: Sequence[str]) -> Diagnosis | None:
    """Return the rule that fits, in the order of the table and not of the lines."""
    for rule in RULES:
        for text in texts:
            match = rule.pattern.search(text or "")
            if match:
                groups: Mapping[str, str] = {k: v or "?" for k, v in match.groupdict().items()}
                said = _short(text[match.start() :])
                return Diagnosis(rule.cause.format_map(groups), rule.fix, rule.kind, said=said)
    return None


def _crash(exit_code: int, stderr: str) -> Diagnosis:
    if exit_code == -KILLED:
        cause, fix = "it was killed, most likely for memory", "build on a larger host"
    else:
        cause, fix = _SHARED, "`pipeline explain` lists the attentions; build without them to check"
    return Diagnosis(
        f"the builder crashed ({_ending(exit_code)}); likely cause: {cause}",
        fix,
        "build",
        said=_short(stderr),
    )


def _ending(exit_code: int) -> str:
    """Return what ended the process: a signal by number and name, or Windows' status."""
    if exit_code > 0:
        return f"status {exit_code:#x}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = "unknown"
    return f"signal {-exit_code}, {name}"


def _short(text: str, limit: int = 300) -> str:
    """Return the first line that says something, cut to a readable length."""
    line = next((t.strip() for t in text.splitlines() if t.strip()), "")
    return line if len(line) <= limit else line[: limit - 3] + "..."
