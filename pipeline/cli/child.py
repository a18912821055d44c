"""Commands on files from anyone run in a child with limits, so that a crash is an answer.

A graph can make native code divide by zero, ask for more memory than there is, or loop for days.
The child is the same command line with the same input and output; this side only waits, passes
signals on and says how the child ended. It has loaded nothing but click by then, so the child
costs a start of Python, not a second import of a framework. Artifact folders are verified by
their digests and work in the process itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from pipeline.errors import BadModelError, EnvironmentMissingError, PipelineError, Terminated
from pipeline.onnx_bytes import size_with_data

COMMANDS = ("optimize", "explain", "build-engine", "parity", "perf")
SUFFIXES = (".onnx", ".plan", ".engine")
OURS = (0, 1, 2, 3, 4, 70, 130, 143)
"""Exit codes that the command line has a meaning for; any other is a crash."""
CHILD, TIME_LIMIT, MEMORY_LIMIT = "PIPELINE_CHILD", "PIPELINE_TIME_LIMIT", "PIPELINE_MEMORY_LIMIT"
BASE_S, PER_BYTE_S = 600.0, 600.0 / 100e6
_PATIENCE_S = 5.0  # for a child that was asked to end
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def files_of(words: Sequence[str]) -> list[Path]:
    """Return the graphs and engines that a command line names; none where no child is needed."""
    if not words or words[0] not in COMMANDS or CHILD in os.environ:
        return []
    named = [Path(word) for word in words[1:] if word.endswith(SUFFIXES)]
    return [path for path in named if _is_file(path)]


def run_in_child(words: Sequence[str], files: Sequence[Path]) -> int:
    """Run the command line in a child and return its exit code.

    Raises:
        BadModelError: it crashed, or took longer than its limit.
        EnvironmentMissingError: the system killed it, as it does where memory runs out.
        Terminated: this process was asked to end; so was the child.
    """
    limit = _seconds(files)
    where = ", ".join(dict.fromkeys(map(str, files)))
    with _child(words) as process:
        try:
            code = _wait(process, limit)
        except subprocess.TimeoutExpired:
            raise BadModelError(
                f"{words[0]} was stopped after {limit:.0f} s, the limit for files of this size",
                where=where,
                fix=f"set {TIME_LIMIT}=SECONDS if the file deserves more (0 for no limit)",
            ) from None
    if code not in OURS:
        raise _crashed(words[0], code, where)
    return code


def limit_child() -> None:
    """Set this process's limits if it is such a child: memory, and an end with its parent."""
    if CHILD not in os.environ:
        return
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        if limit := _bytes():
            resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte: the command says so
        return False


def _seconds(files: Sequence[Path]) -> float | None:
    told = os.environ.get(TIME_LIMIT, "")
    with contextlib.suppress(ValueError):
        return float(told) or None
    return BASE_S + PER_BYTE_S * sum(_size(path) for path in files)


def _size(path: Path) -> int:
    try:
        return size_with_data(path)
    except (OSError, ValueError):
        return 0


def _bytes() -> int:
    """Return the most memory the child may take: what is free, unless GPUs map more than that."""
    with contextlib.suppress(ValueError):
        return int(os.environ.get(MEMORY_LIMIT, ""))
    if Path("/dev/nvidiactl").exists():
        return 0
    text = Path("/proc/meminfo").read_text()
    line = next(line for line in text.splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def _child(words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command line again; whatever ends this process ends the child."""
    ours = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, CHILD: "1", "PYTHONPATH": path}
    process = subprocess.Popen([sys.executable, "-P", "-m", "pipeline", *words], env=environment)
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_S)
            process.kill()
            process.wait()
        signal.signal(signal.SIGTERM, before)


def _wait(process: subprocess.Popen[bytes], limit: float | None) -> int:
    """Return the child's exit code; Ctrl-C reaches it by itself, from the terminal."""
    try:
        return process.wait(limit)
    except KeyboardInterrupt:
        try:
            return process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return 130


def _crashed(command: str, code: int, where: str) -> PipelineError:
    if code == -getattr(signal, "SIGKILL", 0):
        return EnvironmentMissingError(
            f"{command} was killed by the system, as it does where memory runs out",
            where=where,
            fix="use smaller sizes, or a machine with more memory",
        )
    try:
        how = signal.Signals(-code).name
    except ValueError:
        how = f"code {code}"
    return BadModelError(
        f"{command} crashed on what it was given ({how}); nothing was written",
        where=where,
        fix="the file makes native code fail: do not use it, or report it with the command",
    )


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(143)
