"""Runs one building child: hears its events, limits its time, stops it with us.

The child has its own session, so that Ctrl-C reaches only this process; it is then asked to
stop through the progress monitor and killed when it does not.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.builder.eta import Estimate
from pipeline.builder.request import Heard, ParserRow, PlanRequest
from pipeline.errors import BuildError
from pipeline.records.engine import AttentionRow
from pipeline.records.record import read
from pipeline.records.tensors import TensorSpec
from pipeline.types import Progress

_GRACE_S = 5.0
_HEARTBEAT_S = 1.0
_STDERR_BYTES = 64 * 1024


@dataclass(frozen=True)
class ChildOutcome:
    """How a child ended."""

    heard: Heard
    exit_code: int
    stderr: str
    seconds: float

    @property
    def good(self) -> bool:
        """Whether it did all that was asked."""
        return self.exit_code == 0 and self.heard.done


def run_child(
    request: PlanRequest, progress: Progress, timeout_s: float, estimate: Estimate | None = None
) -> ChildOutcome:
    """Return what the child did; its crash is an outcome, its timeout an error.

    Raises:
        BuildError: It ran longer than `timeout_s` seconds.
        KeyboardInterrupt: The user stopped us; the child is gone by then.
    """
    started = time.monotonic()
    heard = Heard()
    with tempfile.TemporaryDirectory(prefix="pipeline-build-") as scratch:
        stderr_path = Path(scratch, "stderr")
        Path(scratch, "request.json").write_text(request.to_json())
        with stderr_path.open("wb") as stderr, _child(scratch, stderr) as process:
            _listen(process, heard, progress, started, timeout_s, estimate, request)
            exit_code = process.wait()
        text = stderr_path.read_bytes()[-_STDERR_BYTES:].decode(errors="replace")
    return ChildOutcome(heard, exit_code, text, time.monotonic() - started)


@contextmanager
def _child(scratch: str, stderr: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the child and make sure that it is gone at the end, whatever happens between."""
    module = "pipeline.builder.worker"
    with subprocess.Popen(
        [sys.executable, "-m", module, str(Path(scratch, "request.json"))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,  # Ctrl-C is ours to pass on
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    ) as process:
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _lines(process: subprocess.Popen[bytes]) -> queue.SimpleQueue[bytes]:
    """Return a queue that gets each line the child says, and an empty one at the end.

    A thread reads them: no system but those of POSIX can wait for a pipe with a time limit.
    """
    said: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith(b"\n"):  # else the child died in the middle of it
                said.put(line)
        said.put(b"")

    threading.Thread(target=read, daemon=True).start()
    return said


def _listen(
    process: subprocess.Popen[bytes],
    heard: Heard,
    progress: Progress,
    started: float,
    timeout_s: float,
    estimate: Estimate | None,
    request: PlanRequest,
) -> None:
    """Read events until the child closes its end; draw progress at least once a second."""
    said, phase = _lines(process), "starting"
    while True:
        elapsed = time.monotonic() - started
        if elapsed > timeout_s:
            raise BuildError(
                f"the build was stopped after {elapsed:.0f} s, the limit is {timeout_s:g} s",
                where=str(request.onnx),
                fix="raise --timeout, or lower --builderOptimizationLevel",
            )
        try:
            line = said.get(timeout=min(_HEARTBEAT_S, max(0.01, timeout_s - elapsed)))
        except queue.Empty:
            named = phase  # a heartbeat: the time left has changed
        else:
            if not line:
                return
            named = hear(heard, json.loads(line))
        if named:
            phase = named
            if request.task == "build":
                _draw(progress, phase, time.monotonic() - started, estimate)


def _draw(progress: Progress, phase: str, elapsed: float, estimate: Estimate | None) -> None:
    if estimate is None:
        progress.step(f"building: {phase} ({elapsed:.0f} s, no earlier build to estimate from)")
        return
    left = max(0.0, estimate.seconds - elapsed)
    done = min(99, int(100 * elapsed / max(estimate.seconds, 0.1)))
    progress.step(
        f"building: {phase} (about {left:.0f} s left, from {estimate.builds} earlier)", done, 100
    )


def hear(heard: Heard, event: dict[str, Any]) -> str:
    """Add one event to what was heard; return the phase it names, if any."""
    kind = event.pop("event")
    if kind == "phase":
        return str(event["phase"])
    if kind == "step":
        return f"{event['phase']} {event['step']}/{event['steps']}"
    if kind == "log":
        heard.log.append((event["severity"], event["text"]))
    elif kind == "version":
        heard.version = event["version"]
    elif kind == "parser":
        heard.parser.append(ParserRow(**event))
    elif kind == "network":
        heard.inputs = read(list[TensorSpec], event["inputs"])
        heard.outputs = read(list[TensorSpec], event["outputs"])
        heard.attention = read(list[AttentionRow], event["attention"])
        heard.layers = event["layers"]
    elif kind == "attention":
        row = read(AttentionRow, event)
        heard.attention = [row if a.name == row.name else a for a in heard.attention]
    elif kind == "failed":
        heard.failed_at, heard.failure = event["at"], event["why"]
    elif kind == "built":
        heard.bytes_written = event["bytes_written"]
    elif kind == "end":
        heard.done, heard.peak_rss_bytes = event["done"], event["peak_rss_bytes"]
    return ""
