"""A contender's own process: opens it, times it, and says how much memory it took.

Started as `python -m pipeline.perf.worker`. One JSON object per line comes in on standard input
and one answer goes out for each on what was standard output; that handle is put aside at the
start, so that nothing a runtime prints can end up between the answers.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts.memory import peak_rss_bytes
from pipeline.errors import PipelineError
from pipeline.perf.contender import Contender, GenerationJob, Job
from pipeline.perf.opening import open_contender, prepared
from pipeline.records.record import read
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.decoding import Decoder

LONG_MS = 50.0
Series = dict[str, list[float]]


class Workbench:
    """Holds the contender between commands."""

    def __init__(self) -> None:
        self.contender: Contender | None = None
        self.jobs: dict[str, Job] = {}
        self.parts: dict[str, Runner] = {}
        self.calls: dict[str, Callable[[], Series | None]] = {}
        self.last_ms: dict[str, float] = {}

    def answer(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to one command."""
        what = command["do"]
        if what == "setup":
            self.contender = read(Contender, command["contender"])
            self.jobs = {job.name: job for job in read(tuple[Job, ...], command["jobs"])}
            return {}
        if what == "open":
            return self._open()
        if what == "time":
            return {"series": self._time(command["job"], command["calls"])}
        if what == "probe":
            return self._probe(command["bytes"])
        if what == "profile":
            return {"times": self._profile(command["job"], command["constructs"])}
        assert what == "close", what
        return self._close()

    def _open(self) -> dict[str, Any]:
        assert self.contender is not None
        start = time.perf_counter()
        self.parts = open_contender(self.contender)
        seconds = time.perf_counter() - start
        self.calls, self.last_ms = {}, {}
        about = {part: runner.describe() for part, runner in self.parts.items()}
        return {"seconds": seconds, "describe": about}

    def _time(self, name: str, calls: int) -> Series:
        if name not in self.calls:
            self.calls[name] = self._callable(self.jobs[name])
        call = self.calls[name]
        if self.last_ms.get(name, 0.0) < LONG_MS:
            call()  # brings caches and clock back after the quiet moment; a long call does itself
        series: Series = {name: []}
        for _ in range(calls):
            start = time.perf_counter_ns()
            split = call()
            series[name].append((time.perf_counter_ns() - start) / 1e6)
            for key, values in (split or {}).items():
                series.setdefault(f"{name}/{key}", []).extend(values)
        self.last_ms[name] = min(series[name])
        return series

    def _callable(self, job: Job) -> Callable[[], Series | None]:
        with np.load(job.feeds) as stored:
            feeds = dict(stored)
        if job.generation is None:
            return prepared(self.parts[job.part], feeds)
        return self._generation(feeds, job.generation)

    def _generation(
        self, feeds: Mapping[str, np.ndarray], job: GenerationJob
    ) -> Callable[[], Series]:
        decoder = Decoder(self.parts, job.inputs)
        ids, mask = feeds["input_ids"], feeds["attention_mask"]

        def call() -> Series:
            stamps, state = [time.perf_counter_ns()], decoder.begin(ids, mask)
            fed = ids if job.start is None else np.full((len(ids), 1), job.start, np.int64)
            for _ in range(job.tokens):
                fed = decoder.step(state, fed)[:, -1:].argmax(axis=-1)
                stamps.append(time.perf_counter_ns())
            gaps = np.diff(stamps) / 1e6
            return {"first": [float(gaps[0])], "next": [float(np.mean(gaps[1:]))]}

        return call

    def _probe(self, size_bytes: int) -> dict[str, Any]:
        from pipeline.perf.probes import measure_peaks

        assert self.contender is not None
        about = self.contender
        return vars(measure_peaks(about.precision, about.device, about.threads, size_bytes))

    def _profile(self, name: str, constructs: Mapping[str, str]) -> dict[str, float]:
        from pipeline.perf.profile import profile_graph

        assert self.contender is not None
        job = self.jobs[name]
        with np.load(job.feeds) as stored:
            feeds = dict(stored)
        file = Path(self.contender.files[job.part])
        return profile_graph(file, feeds, self.contender.threads, constructs)

    def _close(self) -> dict[str, Any]:
        for runner in self.parts.values():
            runner.close()
        self.parts, self.calls = {}, {}
        return {"peak_rss_bytes": peak_rss_bytes()}


def main() -> None:
    """Answer commands until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    bench = Workbench()
    for line in sys.stdin:
        try:
            answer = bench.answer(json.loads(line))
        except PipelineError as err:
            answer = {"error": err.what, "where": err.where, "fix": err.fix, "code": err.exit_code}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
