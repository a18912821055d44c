"""The near side of a contender's process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import EnvironmentMissingError, PipelineError, UsageError
from pipeline.perf.contender import Contender, Job
from pipeline.perf.roofline import Peaks
from pipeline.records.record import as_json, read

LAST_WORDS = 2000
LARGEST_COPY = 1 << 30


class RemoteWorker:
    """A contender in its own process; see `pipeline.perf.worker`.

    Attributes:
        describe: Part -> what really runs, after the first opening.
        load_s: Seconds each opening took.
        peak_rss_bytes: Highest resident memory of the process so far.
    """

    def __init__(self, contender: Contender, jobs: Sequence[Job]) -> None:
        self.name, self.contender = contender.name, contender
        self.describe: dict[str, dict[str, str]] = {}
        self.load_s: list[float] = []
        self.peak_rss_bytes = 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.perf.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=_environment(contender.threads),
        )
        self._ask(
            {
                "do": "setup",
                "contender": as_json(contender),
                "jobs": as_json(jobs),
            }
        )

    def open(self) -> None:
        """Load the model afresh."""
        answer = self._ask({"do": "open"})
        self.describe = answer["describe"]
        self.load_s.append(float(answer["seconds"]))

    def time(self, job: str, calls: int) -> dict[str, list[float]]:
        """Return the milliseconds of each call, after a first one that is not recorded."""
        series: dict[str, list[float]] = self._ask({"do": "time", "job": job, "calls": calls})[
            "series"
        ]
        return series

    def probe(self, jobs: Sequence[Job]) -> Peaks:
        """Return the machine's peaks as this process measures them; see `probes`.

        The copy's working set is what the model touches: its weights and a job's inputs.
        """
        files = [Path(file) for file in self.contender.files.values()]
        weights = sum(path.stat().st_size for f in files for path in _with_weights(f))
        inputs = max((Path(job.feeds).stat().st_size for job in jobs), default=0)
        size = min(max(weights // max(1, len(files)) + inputs, 1 << 16), LARGEST_COPY)
        return read(Peaks, self._ask({"do": "probe", "bytes": size}))

    def profile(self, job: str, constructs: Mapping[str, str]) -> dict[str, float]:
        """Return milliseconds per call by construct, from a profiled session of its own."""
        answer = self._ask({"do": "profile", "job": job, "constructs": dict(constructs)})
        times: dict[str, float] = answer["times"]
        return times

    def close(self) -> None:
        """Drop the model, keep the process."""
        self.peak_rss_bytes = int(self._ask({"do": "close"})["peak_rss_bytes"])

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None
        line = self._process.stdout.readline()
        if not line:
            raise self._dead()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            kind = EnvironmentMissingError if answer["code"] == 3 else UsageError
            raise kind(answer["error"], where=answer["where"], fix=answer["fix"])
        return answer

    def _dead(self) -> PipelineError:
        code = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read()[-LAST_WORDS:].decode(errors="replace").strip()
        last = words.splitlines()[-1] if words else "it said nothing"
        return UsageError(
            f"The process of {self.name} ended with code {code}: {last}",
            where=self.contender.folder,
            fix="Leave this contender out, or run it alone to see why.",
        )


def _with_weights(graph: Path) -> list[Path]:
    """Return a graph and the weight files beside it that it names."""
    text = graph.read_bytes() if graph.stat().st_size < LARGEST_COPY else b""
    beside = [path for path in graph.parent.glob("*.data") if path.name.encode() in text]
    return [graph, *beside]


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a worker: our packages, and the same threads for every library.

    `-P` keeps the current folder off its path: what lies there may carry our packages' names.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    ours = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))
    return {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": path}
