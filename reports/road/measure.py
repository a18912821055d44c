"""Measure what using the command line costs, and write timing.json beside this file.

    python -m reports.road.measure [--run]

Start-up of `pipeline --help`, a first and a second `pipeline run zh-en`, each in fresh processes.
With --run the report of the first run is kept here as the published one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PIPELINE = Path(sys.executable).with_name("pipeline")
REPORT = ("report.html", "report.md")


def seconds_of(*words: str) -> tuple[float, float]:
    """Return the wall time of one command, and the processor time it and its children took."""
    start, before = time.perf_counter(), processor_s()
    subprocess.run([PIPELINE, *words], check=True, capture_output=True)
    return time.perf_counter() - start, processor_s() - before


def processor_s() -> float:
    """Return the processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(samples: list[tuple[float, float]]) -> dict[str, float | int]:
    """Return the spread of samples in seconds."""
    wall = [sample[0] for sample in samples]
    return {
        "runs": len(samples),
        "median_s": round(statistics.median(wall), 3),
        "min_s": round(min(wall), 3),
        "max_s": round(max(wall), 3),
        "processor_median_s": round(statistics.median(s[1] for s in samples), 3),
    }


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    facts = json.loads(subprocess.check_output([PIPELINE, "doctor", "--json"]))["machine"]
    return {**facts, "load_before": round(os.getloadavg()[0], 2), "torch": version("torch")}


def measure_run(keep: bool) -> dict[str, object]:
    """Return the times of a first run and of identical ones after it."""
    with tempfile.TemporaryDirectory() as base:
        out = Path(base) / "out"
        first = seconds_of("run", "zh-en", "-o", str(out))
        again = [seconds_of("run", "zh-en", "-o", str(out)) for _ in range(5)]
        stages = {
            path.stem: json.loads(path.read_text())["seconds"]
            for path in sorted((out / "manifest").glob("[!.]*.json"))
            if path.stem != "folder"
        }
        if keep:
            for name in REPORT:
                shutil.copy(out / name, HERE / name)
        peak = max(
            json.loads(path.read_text())["peak_rss_bytes"]
            for path in (out / "manifest").glob("[!.]*.json")
            if path.stem != "folder"
        )
    return {
        "first_run_s": round(first[0], 1),
        "first_run_processor_s": round(first[1], 1),
        "stages_s": stages,
        "peak_rss_bytes": peak,
        "warm_rerun": summary(again),
    }


def main() -> None:
    """Measure, write timing.json, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true", help="also run zh-en and keep its report")
    given = parser.parse_args()
    figures: dict[str, object] = {"machine": machine()}
    seconds_of("--help")  # compiled files are written once, after an installation
    figures["help"] = summary([seconds_of("--help") for _ in range(20)])
    if given.run:
        figures |= measure_run(keep=True)
    text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
    (HERE / "timing.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
