"""Kill a run at random moments, over and over; every next run must complete with nothing half-made.

    python tests/kills.py --kills 200 --seed 0 -- transformer-tiny

For each kill: start `pipeline run`, kill its whole process group after a random time, look at what
lies on disk, then let a run end and check all of it. An artifact counts as half-made when a
manifest stands beside files that are missing or differ from it. Half of the kills hit a first run,
the others a run over an older artifact. Runs are forked from a process that has loaded the
frameworks already, so that the random moments fall into the work and not into its imports.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.artifacts import digest_json, open_folder
from pipeline.errors import FolderError

PRELOAD = (
    "torch",
    "onnx_ir",
    "onnxruntime",
    "onnxscript",
    "transformers",
    "torch.onnx",
    "matplotlib",
)
HOUSEKEEPING = {".lock", ".run.lock", ".stats.json"}


@dataclass
class Tally:
    """What happened so far; half_made and failed_after must stay 0."""

    kills: int = 0
    ended_before: int = 0
    half_made: int = 0
    completed_after: int = 0
    failed_after: int = 0
    artifacts_seen: int = 0  # complete ones on disk, summed over the kills
    slowest_recovery_s: float = 0.0


def start(work: Callable[[], int], log: Path) -> int:
    """Run `work` in a forked process with a group of its own; return its id."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)
    code = 70
    try:
        code = work()
    finally:
        os._exit(code)


def wait(pid: int, seconds: float) -> int | None:
    """Return the exit code of a process, None if it is still running after that time."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.002)


def killed(work: Callable[[], int], seconds: float, log: Path) -> bool:
    """Start `work` and kill it and its children after a time; return whether it was running."""
    pid = start(work, log)
    if wait(pid, seconds) is not None:
        return False
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def half_made(root: Path) -> tuple[list[str], int]:
    """Return what is wrong in a folder, and how many artifacts it holds."""
    if not root.exists():
        return [], 0
    try:
        folder = open_folder(root, create=True)
        folder.distrust()
        artifacts = [found for name in folder.stages() if (found := folder.stage(name))]
    except FolderError as error:
        return [str(error)], 0
    return [text for text in map(folder.damage, artifacts) if text], len(artifacts)


def leftovers(root: Path) -> list[str]:
    """Return temporary files and journals that a completed run left behind."""
    found = [path for path in root.rglob(".*") if path.name not in HOUSEKEEPING]
    return sorted(path.relative_to(root).as_posix() for path in found)


def complete(work: Callable[[], int], root: Path, log: Path, tally: Tally) -> list[str]:
    """Let a run end and return what is wrong afterwards."""
    begun = time.monotonic()
    code = wait(start(work, log), 3600)
    tally.slowest_recovery_s = max(tally.slowest_recovery_s, round(time.monotonic() - begun, 1))
    if code != 0:
        tally.failed_after += 1
        return [f"exit {code}: {log.read_text()[-800:]}"]
    tally.completed_after += 1
    return half_made(root)[0] + leftovers(root)


def torture(
    work: Callable[[], int], root: Path, kills: int, longest: float, seed: int, until: float = 0
) -> Tally:
    """Kill runs into one folder and return the tally; what is wrong goes to stderr."""
    dice, tally, log = random.Random(seed), Tally(), root.with_name("run.log")
    while tally.kills < kills and (not until or time.monotonic() < until):
        if dice.random() < 0.5:
            shutil.rmtree(root, ignore_errors=True)  # a first run is killed
        else:
            _age(root)  # a run that has to make things anew is killed
        if not killed(work, dice.uniform(0.02, longest), log):
            tally.ended_before += 1
            continue
        tally.kills += 1
        wrong, made = half_made(root)
        tally.half_made += bool(wrong)
        tally.artifacts_seen += made
        wrong += complete(work, root, log, tally)
        for line in wrong:
            print(f"kill {tally.kills}: {line}", file=sys.stderr)
        if sys.stderr.isatty() or tally.kills % 20 == 0:
            print(f"{tally.kills}/{kills} kills", file=sys.stderr, flush=True)
    return tally


def _age(root: Path) -> None:
    """Make every artifact stale, as an upgrade of a library would."""
    for manifest in (root / "manifest").glob("[!.]*.json"):
        if manifest.name != "folder.json":
            content = json.loads(manifest.read_text())
            older = {**content["ingredients"], "library": "older"}
            aged = {**content, "ingredients": older, "key": digest_json(older)}
            manifest.write_text(json.dumps(aged))


def main() -> int:
    """Run the torture and print its figures as JSON; exit 1 if anything was half-made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time; 0: never")
    parser.add_argument("words", nargs="+", help="what follows `pipeline run`, without -o")
    given = parser.parse_args()
    for name in PRELOAD:
        importlib.import_module(name)
    from pipeline.cli.app import run

    with tempfile.TemporaryDirectory() as base:
        root = Path(base) / "out"
        words = ["run", *given.words, "-o", str(root)]

        def work() -> int:
            return run(words)

        begun = time.monotonic()
        assert wait(start(work, root.with_name("first.log")), 3600) == 0
        whole = time.monotonic() - begun
        until = begun + 60 * given.minutes if given.minutes else 0
        tally = torture(work, root, given.kills, whole, given.seed, until)
    figures = {"command": ["pipeline", *words[:-2]], "run_s": round(whole, 1), **asdict(tally)}
    print(json.dumps(figures, indent=1))
    return 1 if tally.half_made or tally.failed_after else 0


if __name__ == "__main__":
    sys.exit(main())
