"""Builds the wheel of the last commit, looks into it, and runs the README's first line from it.

    python tools/release.py [--dist dist] [--no-run] [--system-site-packages]

Ends with exit code 0 when the wheel may be published, else with what is wrong. `--no-run` stops
after looking into the wheel; `--system-site-packages` lets the environment made for it see what is
installed here, where downloading torch again is the slow part. The recipe is in CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "models")
MOST_BYTES = 12_000_000  # the weights are 5.5 MB


def checked_out(folder: Path) -> None:
    """Write the files of the last commit into a folder: what is not committed is no release."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as file:
        file.extractall(folder, filter="data")


def build(folder: Path) -> Path:
    """Return the wheel of the last commit, written into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        checked_out(source)
        told = ["wheel", "-q", "--no-deps", "-w", scratch, str(source)]
        subprocess.run([sys.executable, "-m", "pip", *told], check=True)
        (made,) = Path(scratch).glob("*.whl")
        return Path(shutil.copy(made, folder))


def tracked() -> set[str]:
    """Return the files of our packages in the last commit: what belongs into the wheel."""
    told = ["git", "ls-tree", "-r", "-z", "--name-only", "HEAD", *PACKAGES]
    said = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(said.stdout.split("\0")) - {""}


def faults(wheel: Path, wanted: set[str]) -> list[str]:
    """Return what is wrong with a wheel that should hold these files, one sentence each."""
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        (entry,) = (n for n in file.namelist() if n.endswith(".dist-info/entry_points.txt"))
        script = file.read(entry).decode()
    found = [f"{name} is missing" for name in sorted(wanted - names)]
    found += [f"{name} does not belong" for name in sorted(names - wanted)]
    if "pipeline = pipeline.cli:main" not in script:
        found.append("the command `pipeline` is not installed")
    if (size := wheel.stat().st_size) > MOST_BYTES:
        found.append(f"it has {size} bytes, more than {MOST_BYTES}")
    return found


def first_line() -> str:
    """Return the README's first command."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- command: run -->\n```sh\n(.*)\n```", readme)
    assert found, "README.md has no first command"
    return found[1]


def from_wheel(line: str, wheel: Path, share: bool) -> str:
    """Return the README's line with the wheel in place of the working tree."""
    installed = line.replace("'.[", f"'{wheel}[")
    assert installed != line, f"the README's first line installs no working tree: {line}"
    return installed.replace("-m venv", "-m venv --system-site-packages") if share else installed


def run(line: str) -> list[str]:
    """Run the line in an empty folder; return what is wrong with what it made."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"+ {line}", flush=True)
        code = subprocess.run(["sh", "-euc", line], cwd=folder).returncode
        if code:
            return [f"the README's first line ended with exit code {code}"]
        made = Path(folder, "out")
        lacking = [n for n in ("report.html", "data.json") if not (made / n).is_file()]
        if lacking:
            return [f"the README's first line made no {name}" for name in lacking]
        asked = [".venv/bin/pipeline", "translate", "out", "我今天很开心", "--json"]
        said = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True)
        texts = json.loads(said.stdout)["texts"]
        print(f"translated: {texts}", flush=True)
        return [] if texts == ["I'm happy today"] else [f"it translates {texts}"]


def main() -> int:
    """Do all of it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where the wheel goes")
    parser.add_argument("--no-run", action="store_true", help="only build and look")
    parser.add_argument("--system-site-packages", action="store_true", help="see those here")
    told = parser.parse_args()
    wheel = build(told.dist.resolve())
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
    wrong = faults(wheel, tracked())
    if not wrong and not told.no_run:
        wrong = run(from_wheel(first_line(), wheel, told.system_site_packages))
    for fault in wrong:
        print(f"wrong: {fault}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
