#!/usr/bin/env python3
"""Compare and time every graph and engine of this bundle, and write results.json.

    python run.py [--only TEXT] [--rounds 5] [--seconds 1] [--cuda-graph] [-o results.json]

Needs numpy, and onnxruntime for graphs, tensorrt or tensorrt_rtx for engines; what is missing is
said and skipped. Sessions, engines and errors are those of the toolkit itself, whose files lie in
lib. Exit codes: 0 everything that ran is right, 1 something is wrong, 3 nothing could run. Bring
results.json back: `pipeline report DIR --with results.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

if __name__ == "__main__":  # unpacked: the toolkit need not be installed, and is not what runs
    sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pipeline.accuracy import Budget, compare, usage
from pipeline.errors import PipelineError
from pipeline.ort.settings import SessionSettings
from pipeline.pack.bundle_keys import Candidate, Index, Outcome, OutputErrors, Row
from pipeline.stages.runners.cuda_driver import Cuda, CudaError
from pipeline.stages.runners.tensorrt_engine import Engine
from pipeline.stages.runners.tensorrt_types import EngineError

Arrays = dict[str, np.ndarray]
_QUIET_S = 0.1  # spinning threads of one runtime slow whichever comes next


class CannotRunError(Exception):
    """A candidate that this machine cannot run, and why."""


@dataclass
class Runner:
    """One opened candidate."""

    run: Callable[[Mapping[str, np.ndarray]], Arrays]
    close: Callable[[], None]
    device: str


def main(arguments: list[str] | None = None) -> int:
    """Run the bundle; return the exit code."""
    options = _parse(arguments)
    here = Path(__file__).resolve().parent
    bundle: Index = json.loads((here / "bundle.json").read_text())
    check_files(here, bundle["files"])
    results: list[Row] = []
    opened: dict[str, tuple[Candidate, Runner]] = {}
    for candidate in bundle["candidates"]:
        if options.only and options.only not in candidate["name"]:
            continue
        row: Row = {"name": candidate["name"], "precision": candidate["precision"], "ran": False}
        results.append(row)
        try:
            runner = open_candidate(here, candidate, options.cuda_graph)
            row["ran"], row["device"] = True, runner.device
            row["cases"] = compare_all(here, bundle, candidate, runner)
            row["right"] = all(outcome["right"] for outcome in row["cases"])
            opened[candidate["name"]] = (candidate, runner)
        except CannotRunError as err:
            row["reason"] = str(err)
        _say(_line(row))
    time_all(here, bundle, opened, {r["name"]: r for r in results}, options)
    for _candidate, runner in opened.values():
        runner.close()
    write(Path(options.output), bundle, results)
    ran = [r for r in results if r["ran"]]
    return 3 if not ran else int(not all(r["right"] for r in ran))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="candidates whose name holds this text")
    parser.add_argument("--rounds", type=int, default=5, help="timing rounds, 0 for none")
    parser.add_argument("--seconds", type=float, default=1.0, help="per candidate and round")
    parser.add_argument("--cuda-graph", action="store_true", help="replay engines as CUDA graphs")
    parser.add_argument("-o", "--output", default="results.json")
    return parser.parse_args(arguments)


def check_files(here: Path, files: Mapping[str, str]) -> None:
    """Stop when a file is not what was packed: nothing measured on it would mean anything."""
    for name, wanted in files.items():
        if not (here / name).is_file():
            raise SystemExit(f"{name} is missing: unpack the bundle again")
        with (here / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted:
            raise SystemExit(f"{name} is damaged: sha256 {found}, packed as {wanted}")


def open_candidate(here: Path, candidate: Candidate, cuda_graph: bool) -> Runner:
    """Return the candidate ready to run, or say why it cannot."""
    if candidate["kind"] == "engine":
        return open_engine(here / candidate["file"], candidate, cuda_graph)
    return open_graph(here / candidate["file"], candidate)


def open_graph(path: Path, candidate: Candidate) -> Runner:
    """Open a graph in ONNX Runtime, on the provider that its target names, or not at all."""
    _import("onnxruntime", "graphs")
    from pipeline.ort.session import VERSION, OrtOptions, Session

    try:
        options = OrtOptions(
            device="cuda" if candidate["target"] == "ort-cuda" else "cpu",
            settings=SessionSettings.from_json(candidate.get("session") or {}),
            check_assignment=False,
        )
        session = Session(path, options)
    except PipelineError as err:
        raise CannotRunError(f"{err.what} {err.fix}".strip()) from err

    def run(feeds: Mapping[str, np.ndarray]) -> Arrays:
        return session.run(session.fitted(feeds))

    return Runner(run, session.close, f"onnxruntime {VERSION}, {session.provider}")


def open_engine(path: Path, candidate: Candidate, cuda_graph: bool) -> Runner:
    """Load an engine with the bindings it was built with."""
    try:
        cuda = Cuda()
    except CudaError as err:
        raise CannotRunError(f"an engine runs only on an NVIDIA GPU: {err}") from err
    trt = _import(candidate["flavour"].replace("-", "_"), "engines")
    try:
        engine = Engine(path, trt, cuda, graphs=cuda_graph)
    except EngineError as err:
        built = f"{candidate['flavour']} {candidate['version']}"
        raise CannotRunError(f"{err} (built by {built}, here {trt.__version__})") from err

    def run(feeds: Mapping[str, np.ndarray]) -> Arrays:
        typed = {n: feeds[n].astype(engine.dtypes[n], copy=False) for n in engine.inputs}
        return {n: a for n, a in engine.run(typed).items() if isinstance(a, np.ndarray)}

    return Runner(run, engine.close, f"{candidate['flavour']} {trt.__version__}, GPU")


def compare_all(here: Path, bundle: Index, candidate: Candidate, runner: Runner) -> list[Outcome]:
    """Return one outcome per case: errors of every output against float64, and the verdict."""
    outcomes: list[Outcome] = []
    for case in bundle["cases"][candidate["part"]]:
        feeds, wanted = dict(np.load(here / case["inputs"])), dict(np.load(here / case["outputs"]))
        try:
            found = runner.run(feeds)
        except Exception as err:  # a runtime's own kinds of error: the case is wrong, not the tool
            outcomes.append({"case": case["name"], "right": False, "error": _short(err)})
            continue
        limits = case["limits"][candidate["precision"]]
        judged = {n: judge(found.get(n), wanted[n], Budget(**limits[n])) for n in wanted}
        outputs = {name: errors for name, (errors, _right) in judged.items()}
        right = all(right for _errors, right in judged.values())
        outcomes.append({"case": case["name"], "right": right, "outputs": outputs})
    return outcomes


def judge(
    found: np.ndarray | None, wanted: np.ndarray, allowed: Budget
) -> tuple[OutputErrors, bool]:
    """Return the errors of an output, and whether it keeps to what is allowed."""
    errors = compare(found, wanted)
    record = cast(OutputErrors, errors.to_json())
    if found is None or found.shape != wanted.shape:
        record["shape"] = None if found is None else list(found.shape)
    return record, usage(errors, allowed) <= 1.0


def time_all(
    here: Path,
    bundle: Index,
    opened: Mapping[str, tuple[Candidate, Runner]],
    rows: Mapping[str, Row],
    options: argparse.Namespace,
) -> None:
    """Add raw latency samples: rounds interleaved over the candidates, in changing order."""
    names = list(opened)
    for turn in range(options.rounds):
        for name in names[turn % max(len(names), 1) :] + names[: turn % max(len(names), 1)]:
            candidate, runner = opened[name]
            if not rows[name].get("right"):
                continue
            time.sleep(_QUIET_S)
            for case in bundle["cases"][candidate["part"]]:
                feeds = dict(np.load(here / case["inputs"]))
                samples = _samples(runner, feeds, options.seconds)
                kept = rows[name].setdefault("latency_ms", {}).setdefault(case["name"], [])
                kept.append(samples)
        _say(f"timing round {turn + 1} of {options.rounds}")


def _samples(runner: Runner, feeds: Mapping[str, np.ndarray], seconds: float) -> list[float]:
    """Return latencies in ms, host to host, after a warm-up of a fifth of the time."""
    warm_until = time.perf_counter() + seconds / 5
    while time.perf_counter() < warm_until:
        runner.run(feeds)
    samples: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(samples) < 3:
        start = time.perf_counter()
        runner.run(feeds)
        samples.append(round((time.perf_counter() - start) * 1e3, 5))
    return samples


def write(path: Path, bundle: Index, results: list[Row]) -> None:
    """Write what was measured, with the machine and the digest of the bundle it belongs to."""
    machine = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "gpu": _gpu(),
    }
    content = {
        "format": 2,
        "bundle": bundle["digest"],
        "artifacts": bundle["artifacts"],
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine,
        "results": results,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    _say(f"wrote {path}")


def _gpu() -> str:
    try:
        return str(Cuda().name())
    except Exception:  # any reason at all means that there is none to name
        return "none"


def _import(module: str, purpose: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as err:
        raise CannotRunError(f"{purpose} need {module}: {_short(err)}") from err


def _short(err: BaseException) -> str:
    text = " ".join(str(err).split())
    return text if len(text) < 200 else text[:197] + "..."


def _line(row: Row) -> str:
    if not row["ran"]:
        return f"{row['name']}: not run, {row['reason']}"
    return f"{row['name']}: {'right' if row['right'] else 'WRONG'} on {row['device']}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
