"""The building child: parses one ONNX file and writes one plan, or asks about its attentions.

Run as `python -m pipeline.builder.worker REQUEST.json`. It says what happens as JSON
lines on what was standard output; that handle is put aside at the start, and whatever the builder
and its compiler print goes to stderr. Everything that can kill a process (the builder does: see
diagnose.py) dies here and not in the tool.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from pipeline.artifacts.memory import peak_rss_bytes
from pipeline.builder.diagnose import KILLED
from pipeline.builder.network import attentions, parse, set_targets, tensors
from pipeline.builder.probe import probe
from pipeline.builder.request import PlanRequest
from pipeline.tensorrt_api import load

Say = Callable[[str, Mapping[str, Any]], None]
_TICK_S = 0.1
_PR_SET_PDEATHSIG = 1


class Cancelled:
    """Set by SIGTERM; the progress monitor then asks the builder to stop."""

    def __init__(self) -> None:
        self.now = False
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.now = True


def main(request_path: str) -> int:
    """Carry out one request; return 0 when it succeeded."""
    _die_with_parent()
    cancelled = Cancelled()
    pipe = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)

    def say(event: str, data: Mapping[str, Any]) -> None:
        pipe.write(json.dumps({"event": event, **data}) + "\n")

    request = PlanRequest.from_json(Path(request_path).read_text())
    trt = load(request.flavour)
    say("version", {"version": str(trt.__version__)})
    done = _carry_out(trt, request, say, cancelled)
    say("end", {"peak_rss_bytes": peak_rss_bytes(), "done": done})
    return 0 if done else 1


def _carry_out(trt: ModuleType, request: PlanRequest, say: Say, cancelled: Cancelled) -> bool:
    logger = _logger(trt, say)
    builder = trt.Builder(logger)
    network, _parser, rows = parse(trt, builder, logger, request.onnx)
    for row in rows:
        say("parser", asdict(row))
    if rows or network.num_outputs == 0:
        say("failed", {"at": "parse", "why": "" if rows else "the network has no output"})
        return False
    found = attentions(trt, network)
    for layer, _row in found:
        layer.attention.decomposable = request.decomposable
    say("network", {
        "inputs": [asdict(r) for r in tensors(network.num_inputs, network.get_input)],
        "outputs": [asdict(r) for r in tensors(network.num_outputs, network.get_output)],
        "attention": [asdict(row) for _layer, row in found],
        "layers": network.num_layers,
    })  # fmt: skip
    if request.task == "probe":
        for answer in probe(
            trt, builder, [row for _layer, row in found], request.targets, logger.errors
        ):
            say("attention", asdict(answer))
        return True
    config = configure(trt, builder, request)
    if config is None:
        say("failed", {"at": "profile", "why": "the builder refused an optimization profile"})
        return False
    config.progress_monitor = _monitor(trt, say, cancelled)
    return _write(trt, builder, network, config, request, say)


def configure(trt: ModuleType, builder: Any, request: PlanRequest) -> Any:
    """Return the builder's configuration, or None when it refuses a profile."""
    config = builder.create_builder_config()
    if not request.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if request.weight_streaming:
        config.set_flag(trt.BuilderFlag.WEIGHT_STREAMING)
    if request.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, request.workspace_bytes)
    if request.level is not None:
        config.builder_optimization_level = request.level
    config.profiling_verbosity = getattr(trt.ProfilingVerbosity, request.verbosity.upper())
    set_targets(trt, config, request.targets)
    if request.timing_cache is not None:
        old = request.timing_cache.read_bytes() if request.timing_cache.is_file() else b""
        config.set_timing_cache(config.create_timing_cache(old), ignore_mismatch=False)
    for ranges in request.profiles:
        profile = builder.create_optimization_profile()
        for name, shapes in ranges.items():
            profile.set_shape(name, shapes.min, shapes.opt, shapes.max)
        if config.add_optimization_profile(profile) < 0:
            return None
    return config


def _write(
    trt: ModuleType, builder: Any, network: Any, config: Any, request: PlanRequest, say: Say
) -> bool:
    """Stream the plan to its temporary file; only our own byte count says that it arrived."""
    with request.plan.open("wb") as file:
        if hasattr(builder, "build_serialized_network_to_stream") and hasattr(trt, "IStreamWriter"):
            writer = _writer(trt, file.fileno())
            built = builder.build_serialized_network_to_stream(network, config, writer)
            written, broken = writer.written, writer.broken
        else:
            plan = builder.build_serialized_network(network, config)
            built, broken = plan is not None, ""
            written = file.write(memoryview(plan)) if built else 0
        file.flush()
    if broken:
        say("failed", {"at": "write", "why": broken})
        return False
    if not built or written == 0:
        say("failed", {"at": "build", "why": ""})
        return False
    if request.timing_cache is not None:
        request.timing_cache.write_bytes(memoryview(config.get_timing_cache().serialize()))
    say("built", {"bytes_written": written})
    return True


def _writer(trt: ModuleType, descriptor: int) -> Any:
    class Writer(trt.IStreamWriter):  # type: ignore[misc, name-defined]
        """Counts what really reached the file; the builder ignores short writes and errors."""

        def __init__(self) -> None:
            trt.IStreamWriter.__init__(self)
            self.written, self.broken = 0, ""

        def write(self, data: Any) -> int:
            view = memoryview(data)
            try:
                while view and not self.broken:
                    count = os.write(descriptor, view)
                    self.written += count
                    view = view[count:]
            except OSError as err:
                self.broken = err.strerror or str(err)
            return len(memoryview(data))

    return Writer()


def _logger(trt: ModuleType, say: Say) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc, name-defined]
        """Passes every line but the verbose ones to the parent; keeps the errors."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(msg)
            if severity != trt.ILogger.VERBOSE:
                say("log", {"severity": str(severity).rpartition(".")[2], "text": msg})

    return Log()


def _monitor(trt: ModuleType, say: Say, cancelled: Cancelled) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        """Reports phases, at most ten lines a second, and stops the builder on request."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.last = 0.0
            self.sizes: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.sizes[phase_name] = num_steps
            say("phase", {"phase": phase_name, "parent": parent_phase or "", "steps": num_steps})

        def phase_finish(self, phase_name: str) -> None:
            self.sizes.pop(phase_name, None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            now = time.monotonic()
            if now - self.last > _TICK_S:
                self.last = now
                total = self.sizes.get(phase_name, 0)
                say("step", {"phase": phase_name, "step": step + 1, "steps": total})
            return not cancelled.now

    return Monitor()


def _die_with_parent() -> None:
    """Ask Linux to kill this child when its parent dies; elsewhere its next line fails then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, KILLED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
