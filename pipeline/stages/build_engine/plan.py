"""One ONNX file becomes one plan: child process, diagnosis, rename, and what was learned."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.builder.blame import site_at_fault
from pipeline.builder.diagnose import diagnose
from pipeline.builder.eta import Build, estimate, history_path, load_history, remember
from pipeline.builder.request import PlanRequest
from pipeline.builder.supervise import ChildOutcome, run_child
from pipeline.errors import BadModelError, ClaimError
from pipeline.records.engine import AttentionRow, EnginePart
from pipeline.records.tensors import TensorSpec
from pipeline.types import Progress

_FIGURES = {
    "activation_bytes": re.compile(r"Total Activation Memory: (\d+)"),
    "weights_bytes": re.compile(r"Total Weights Memory: (\d+)"),
    "scratch_bytes": re.compile(r"Max Scratch Memory: (\d+)"),
}


@dataclass(frozen=True)
class PlanReport:
    """What a finished build is known to be."""

    request: PlanRequest
    version: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    attention: tuple[AttentionRow, ...]
    layers: int
    plan_bytes: int
    plan_sha256: str
    seconds: float
    peak_rss_bytes: int
    memory: Mapping[str, int]
    log: tuple[str, ...]

    def record(self, file: str) -> EnginePart:
        """Return what belongs in a manifest of a plan that lies there."""
        return EnginePart(
            file=file,
            flavour=self.request.flavour,
            version=self.version,
            targets=self.request.targets,
            tf32=self.request.tf32,
            decomposable=self.request.decomposable,
            profiles=self.request.profiles,
            inputs=self.inputs,
            outputs=self.outputs,
            attention=self.attention,
            layers=self.layers,
            plan_bytes=self.plan_bytes,
            plan_sha256=self.plan_sha256,
            build_seconds=round(self.seconds, 3),
            build_peak_rss_bytes=self.peak_rss_bytes,
            **self.memory,
        )


def build_plan(
    request: PlanRequest,
    progress: Progress,
    timeout_s: float,
    paths: Mapping[str, str] | None = None,
    check_attention: bool = True,
) -> PlanReport:
    """Write `request.plan` and return its report; nothing is left behind on failure.

    Args:
        request: The build; its plan appears under that name only when complete.
        progress: Hears phases and the time left.
        timeout_s: Limit of each child, in seconds.
        paths: Module path by ONNX node name, for errors and reports.
        check_attention: Whether to ask for dedicated kernels.

    Raises:
        BadModelError: The parser refused the graph.
        BuildError: The builder failed, crashed or took too long.
        ClaimError: Decomposition is off and an attention has no dedicated kernel.
    """
    known = paths or {}
    answers = _probe(request, progress, timeout_s) if check_attention else {}
    if not request.decomposable:
        require_dedicated(tuple(answers.values()), request, known)
    history = load_history(history_path())
    wanted = _as_build(request, "", 0.0)
    temporary = request.plan.with_name(f".{request.plan.name}.{os.getpid()}.part")
    try:
        outcome = run_child(
            replace(request, plan=temporary), progress, timeout_s, estimate(wanted, history)
        )
        if not outcome.good:
            raise _error(outcome, request, known, progress)
        written = temporary.stat().st_size
        if written != outcome.heard.bytes_written:
            raise BadModelError(
                f"the plan has {written} bytes, the builder wrote {outcome.heard.bytes_written}",
                where=str(request.plan),
            )
        digest = _sha256(temporary)
        os.replace(temporary, request.plan)
    finally:
        temporary.unlink(missing_ok=True)
    remember(history_path(), _as_build(request, outcome.heard.version, outcome.seconds))
    return _report(request, outcome, answers, written, digest)


def require_dedicated(
    rows: tuple[AttentionRow, ...], request: PlanRequest, paths: Mapping[str, str]
) -> None:
    """Refuse to go on when an attention is known to have no dedicated kernel.

    Raises:
        ClaimError: Naming the first such attention and how many there are.
    """
    without = [row for row in rows if row.dedicated is False]
    if without:
        first = without[0]
        raise ClaimError(
            f"{len(without)} of {len(rows)} attentions have no dedicated kernel; the first is "
            f"{first.dtype}, {list(first.query)}, {first.mask or 'no mask'}",
            where=", ".join(filter(None, [str(request.onnx), first.name, paths.get(first.name)])),
            fix="--precision fp16 or bf16 and a head size of 9..256; compute capability 7.5 has "
            "none in bf16",
        )


def _probe(request: PlanRequest, progress: Progress, timeout_s: float) -> dict[str, AttentionRow]:
    """Return the attentions with their answers; a crash of the probe leaves them unanswered."""
    progress.step("asking the builder for dedicated attention kernels")
    outcome = run_child(replace(request, task="probe"), progress, timeout_s)
    rows = outcome.heard.attention
    if not outcome.good:
        hint = "the check did not finish"
        rows = [r if r.dedicated is not None else replace(r, reason=hint) for r in rows]
    return {row.name: row for row in rows}


def _error(
    outcome: ChildOutcome, request: PlanRequest, paths: Mapping[str, str], progress: Progress
) -> Exception:
    """Return the error that names the cause, and the node: as the builder does, or as found."""
    found = diagnose(outcome.heard, outcome.exit_code, outcome.stderr)
    if found.node or found.kind != "build":
        node = found.node.partition(" (")[0]
        return found.error(str(request.onnx), paths.get(node, ""))
    fault = site_at_fault(request, found.cause, progress)
    if fault is None:
        return found.error(str(request.onnx))
    fix = (
        f"it builds as far as that node, which {fault.lowering} made: `pipeline optimize "
        f"--check-build` leaves such sites plain, `--disable {fault.lowering}` all of that kind"
    )
    return replace(found, node=fault.node, fix=fix).error(str(request.onnx), fault.path)


def _report(
    request: PlanRequest,
    outcome: ChildOutcome,
    answers: Mapping[str, AttentionRow],
    written: int,
    digest: str,
) -> PlanReport:
    heard = outcome.heard
    text = "\n".join(line for _severity, line in heard.log)
    memory = {k: int(m[1]) for k, p in _FIGURES.items() if (m := p.search(text))}
    return PlanReport(
        request=request,
        version=heard.version,
        inputs=tuple(heard.inputs),
        outputs=tuple(heard.outputs),
        attention=tuple(answers.get(row.name, row) for row in heard.attention),
        layers=heard.layers,
        plan_bytes=written,
        plan_sha256=digest,
        seconds=outcome.seconds,
        peak_rss_bytes=heard.peak_rss_bytes,
        memory=memory,
        log=tuple(f"{severity} {line}" for severity, line in heard.log),
    )


def _as_build(request: PlanRequest, version: str, seconds: float) -> Build:
    return Build(
        flavour=request.flavour,
        version=version,
        graph_bytes=graph_bytes(request.onnx),
        targets=len(request.targets),
        profiles=len(request.profiles),
        level=-1 if request.level is None else request.level,
        seconds=round(seconds, 3),
    )


def graph_bytes(path: Path) -> int:
    """Return the bytes of a graph and of the weights beside it, 0 when it is missing."""
    try:
        files = [path, *path.parent.glob("*.data")]
        return sum(f.stat().st_size for f in files if f.exists())
    except OSError:
        return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
