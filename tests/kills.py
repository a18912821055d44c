"""Kill a run at random moments, over and over; every next run must complete with nothing half-made.

    python tests/kills.py --kills 200 --seed 0 -- transformer-tiny

For each kill: start `pipeline run`, kill its whole process group after a random time, look at
what lies on disk, and every few kills let a run end and check all of it. An artifact counts as
half-made when a manifest stands beside files that are missing or differ from it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.artifacts import open_folder
from pipeline.errors import FolderError


@dataclass
class Tally:
    """What happened so far."""

    kills: int = 0
    ended_before: int = 0
    half_made: int = 0
    completed_after: int = 0
    failed_after: int = 0
    slowest_recovery_s: float = 0.0


def kill_once(command: list[str], seconds: float) -> bool:
    """Start a command and kill it and its children after a time; return whether it was running."""
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return True
    return False


def half_made(root: Path) -> list[str]:
    """Return what is wrong in a folder: artifacts whose files do not match their manifest."""
    if not root.exists():
        return []
    try:
        folder = open_folder(root, create=True)
        folder.distrust()
        artifacts = [folder.stage(name) for name in folder.stages()]
    except FolderError as error:
        return [str(error)]
    return [text for text in (folder.damage(item) for item in artifacts if item) if text]


def leftovers(root: Path) -> list[str]:
    """Return temporary files and journals that a completed run left behind."""
    known = {".lock", ".run.lock", ".stats.json"}
    found = [path for path in root.rglob(".*") if path.name not in known]
    return sorted(path.relative_to(root).as_posix() for path in found)


def complete(command: list[str], root: Path, tally: Tally) -> list[str]:
    """Let a run end and return what is wrong afterwards."""
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    tally.slowest_recovery_s = max(tally.slowest_recovery_s, time.monotonic() - start)
    if done.returncode != 0:
        tally.failed_after += 1
        return [f"exit {done.returncode}: {done.stderr[-500:]}"]
    tally.completed_after += 1
    return half_made(root) + leftovers(root)


def torture(command: list[str], root: Path, kills: int, longest: float, seed: int) -> Tally:
    """Kill `kills` runs into one folder and return the tally; details go to stderr."""
    dice, tally = random.Random(seed), Tally()
    while tally.kills < kills:
        if dice.random() < 0.25:
            shutil.rmtree(root, ignore_errors=True)  # a first run is interrupted too
        if not kill_once(command, dice.uniform(0.05, longest)):
            tally.ended_before += 1
            shutil.rmtree(root, ignore_errors=True)
            continue
        tally.kills += 1
        wrong = half_made(root)
        tally.half_made += bool(wrong)
        wrong += complete(command, root, tally)
        for line in wrong:
            print(f"kill {tally.kills}: {line}", file=sys.stderr)
        print(f"\r{tally.kills}/{kills} kills", end="", file=sys.stderr, flush=True)
        if dice.random() < 0.5:
            shutil.rmtree(root, ignore_errors=True)
    print(file=sys.stderr)
    return tally


def main() -> int:
    """Run the torture and print its figures as JSON; exit 1 if anything was half-made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=0.0, help="seconds; 0 times a run first")
    parser.add_argument("words", nargs="+", help="what follows `pipeline run`, without -o")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        root = Path(base) / "out"
        command = [sys.executable, "-m", "pipeline", "run", *given.words, "-o", str(root)]
        start = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        whole = time.monotonic() - start
        shutil.rmtree(root)
        tally = torture(command, root, given.kills, given.longest or whole, given.seed)
    figures = {"command": command[1:-2], "run_s": round(whole, 1), **asdict(tally)}
    print(json.dumps(figures, indent=1))
    return 1 if tally.half_made or tally.failed_after else 0


if __name__ == "__main__":
    sys.exit(main())
