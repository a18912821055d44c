"""Hostile files and bad weather through the real command line: what became of each.

    python -m reports.hostile.measure WORK [--jobs 2] [--only weather,Loop]

Each case is a process of its own with a limit of time; what counts against the toolkit is a
traceback, a crash, a hang, and code of the file that ran. Ctrl-C is sent from half a second on:
before that Python itself is starting, and what it prints is its own. Writes data.json, report.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import onnx

from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from reports.common import publish, table
from reports.hostile.graphs import GRAPHS, graph, node
from reports.hostile.others import BUNDLES, CHECKPOINTS, INPUTS, TOKENIZERS, arrays
from tests.pipeline.hostile_files import REFUSED, SOUND
from tests.pipeline.tasks import folders

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIMIT_S = 120
OURS = (0, 1, 2, 3, 4, 130)
BAD = ("traceback", "crash", "hang", "code run")
PIPELINE = f"{sys.executable} -P -m pipeline"
LONG, DEEP_PATH = "n" * 300, "/".join(["folder"] * 700)

PAGE = """# Hostile files and bad weather

{cases} cases through the command line, a process each, with a limit of {limit} s: graphs that ask
native code for what it cannot do, files that are none, checkpoints, tokenizers inside artifacts,
results of bundles (given, kept, and in a manifest's place), inputs, and surroundings that are
closed, full or foreign. {bad} of them ended in a traceback, a crash, a hang or with code of the
file run. The slowest took {slowest} s, with PIPELINE_TIME_LIMIT=60 (the default is ten minutes).
What an earlier run found was mended and its kinds run again. Exit 124 is that of `timeout`, which
sent Ctrl-C.

"""


@dataclass(frozen=True)
class Case:
    """One attempt.

    Attributes:
        kind: What was received.
        line: The command, for a shell.
        folder: Where its files lie, and where code of theirs would leave `canary`.
    """

    kind: str
    name: str
    line: str
    folder: Path


def main() -> None:
    """Run every case and publish the counts."""
    parser = argparse.ArgumentParser(description="hostile files and bad weather")
    parser.add_argument("work", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--only", default="", help="kinds or names, commas between; others are kept"
    )
    given = parser.parse_args()
    made = list(cases(given.work.resolve()))
    words = given.only.split(",")
    known = {
        (row["kind"], row["name"]): row
        for row in (json.loads((HERE / "data.json").read_text()) if given.only else ())
    }
    chosen = [case for case in made if any(word in f"{case.kind}: {case.name}" for word in words)]
    with ThreadPoolExecutor(given.jobs) as pool:
        known |= {(row["kind"], row["name"]): row for row in pool.map(attempt, chosen)}
    rows = [known[key] for case in made if (key := (case.kind, case.name)) in known]
    publish(HERE, rows, page(rows))


def cases(work: Path) -> Iterator[Case]:
    """Yield every case, its files written."""
    yield from _graphs(work)
    for name, write in CHECKPOINTS.items():
        folder = _folder(work, "checkpoint", name)
        write(folder)
        yield Case("checkpoint", name, f"{PIPELINE} export {folder} -o {folder}/out", folder)
    for name in INPUTS:
        folder = _folder(work, "inputs", name)
        file = folder / "m.onnx"
        onnx.save(graph([node("Sin", ["x"], ["y"])], shape=[1, 4]), file)
        line = f"{PIPELINE} parity {file} {file} --inputs {arrays(folder, name)}"
        yield Case("inputs", name, line, folder)
    yield from _tokenizers(work)
    yield from _results(work)
    yield from _weather(work)


def _graphs(work: Path) -> Iterator[Case]:
    for name, made in GRAPHS.items():
        folder = _folder(work, "graph", name)
        onnx.save(made, folder / "m.onnx")
        for command, rest in (("parity", f"{folder}/m.onnx"), ("optimize", f"-o {folder}/o.onnx")):
            line = f"{PIPELINE} {command} {folder}/m.onnx {rest}"
            yield Case("graph", f"{name}: {command}", line, folder)
    for name, write in (REFUSED | SOUND).items():
        path = write(_folder(work, "file", name))
        yield Case("ONNX file", name, f"{PIPELINE} explain {path}", path.parent)


def _tokenizers(work: Path) -> Iterator[Case]:
    save = folders.save_tokenizer
    for name, edit in TOKENIZERS.items():

        def hostile(kind: str, folder: Path, edit=edit) -> None:
            save(kind, folder)
            told = json.loads((folder / "tokenizer.json").read_text())
            (folder / "tokenizer.json").write_text(json.dumps(edit(told)))

        home = _folder(work, "tokenizer", name)
        folders.save_tokenizer = hostile
        try:
            root = folders.folder_for("embed", home)
        finally:
            folders.save_tokenizer = save
        text = f"{'a' * 60}! {'x' * 60}"
        yield Case("tokenizer", name, f"{PIPELINE} embed {root} '{text}'", home)


def _results(work: Path) -> Iterator[Case]:
    for name, content in BUNDLES.items():
        data = content if isinstance(content, bytes) else content.encode()
        homes = [_folder(work, kind, name) for kind in ("results", "kept", "manifest")]
        given, kept, there = (folders.folder_for("embed", home) for home in homes)
        (homes[0] / "results.json").write_bytes(data)
        line = f"{PIPELINE} report {given} --with {homes[0]}/results.json"
        yield Case("results", name, line, homes[0])
        (kept / "results").mkdir()
        (kept / "results/new.json").write_bytes(data)
        yield Case("results, kept", name, f"{PIPELINE} report {kept}", homes[1])
        (there / "manifest/parity.json").write_bytes(data)
        yield Case("manifest", name, f"{PIPELINE} report {there}", homes[2])


def _weather(work: Path) -> Iterator[Case]:
    home = _folder(work, "weather", "all")
    root, file = folders.folder_for("embed", home), home / "m.onnx"
    onnx.save(graph([node("Sin", ["x"], ["y"])]), file)
    optimize_model(OptimizeOptions(root, root))
    embed = f"{PIPELINE} embed {root}"
    lines = {
        "errors closed": f"{embed} a 2>&-",
        "output closed": f"{embed} a >&-",
        "all closed": f"{embed} a <&- >&- 2>&-",
        "output full": f"{embed} a >/dev/full",
        "errors full": f"{embed} a 2>/dev/full",
        "input not UTF-8": f"printf 'a\\377\\n' | {embed} -",
        "a word not UTF-8": f"{embed} \"$(printf 'a\\377')\"",
        "LC_ALL=C": f"LC_ALL=C {embed} '\u6211'",
        "ASCII alone": f"PYTHONUTF8=0 PYTHONIOENCODING=ascii {embed} '\u6211'",
        "a name of 300 characters": f"{PIPELINE} explain {LONG}.onnx",
        "a folder of 300 characters": f"{PIPELINE} report {LONG}",
        "output of 300 characters": f"{PIPELINE} optimize {file} -o {home}/{LONG}.onnx",
        "a path over 4096": f"{PIPELINE} explain {DEEP_PATH}/m.onnx",
        "output over 4096": f"{PIPELINE} optimize {file} -o {home}/{DEEP_PATH}",
        "24 descriptors": f"ulimit -n 24; {embed} a",
        "files of 8 kB at most": f"ulimit -f 8; {PIPELINE} report {root} -o {home}/page",
        "1 GB of memory": f"ulimit -v 1000000; {PIPELINE} parity {file} {file}",
        "400 MB of memory": f"ulimit -v 400000; {embed} a",
        "100 MB of memory": f"ulimit -v 100000; {PIPELINE} --help",
    }
    for pause in (0.5, 0.7, 0.9, 1.0, 1.5, 2.0, 2.5, 3.0):
        lines[f"Ctrl-C after {pause} s"] = f"timeout -s INT {pause} {PIPELINE} parity {file} {file}"
    yield from (Case("weather", name, line, home) for name, line in lines.items())


def _folder(work: Path, kind: str, name: str) -> Path:
    folder = work / kind / "".join(c if c.isalnum() else "-" for c in name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def attempt(case: Case) -> dict[str, object]:
    """Run a case and return what became of it."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PIPELINE_TIME_LIMIT": "60"}
    process = subprocess.Popen(
        ["bash", "-c", case.line], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=case.folder, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        said = process.communicate(timeout=LIMIT_S)[1].decode(errors="replace")
        became = judge(process.returncode, said)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        said, became = "", "hang"
    if (case.folder / "canary").exists():
        became = "code run"
    lines = [line for line in said.splitlines() if "rror:" in line] or said.splitlines() or [""]
    return {
        "kind": case.kind, "name": case.name, "became": became, "code": process.returncode,
        "seconds": round(time.monotonic() - started, 1), "said": _placeless(lines[-1], case)[:200],
    }  # fmt: skip


def _placeless(text: str, case: Case) -> str:
    return text.replace(str(case.folder), "").replace(str(ROOT), "")


def judge(code: int, said: str) -> str:
    """Return what an ending is; 124 is that of `timeout`, which sent Ctrl-C."""
    if "Traceback (most recent call last)" in said or code == 70:
        return "traceback"
    return "crash" if code not in (*OURS, 124) else f"exit {code}"


def page(rows: list[dict[str, object]]) -> str:
    """Return the report."""
    kinds = list(dict.fromkeys(str(row["kind"]) for row in rows))
    counted = {k: Counter(str(r["became"]) for r in rows if r["kind"] == k) for k in kinds}
    ends = sorted({end for counts in counted.values() for end in counts} - set(BAD))
    lines = table(
        ["received", "cases", *ends, *BAD],
        [[k, sum(c.values()), *(c[e] for e in (*ends, *BAD))] for k, c in counted.items()],
    )
    bad = [r for r in rows if r["became"] in BAD]
    found = [f"- {r['kind']}, {r['name']}: {r['became']} (code {r['code']})" for r in bad]
    slowest = max(float(str(row["seconds"])) for row in rows)
    text = PAGE.format(cases=len(rows), limit=LIMIT_S, bad=len(bad), slowest=slowest)
    return text + "\n".join([*lines, "", *found]).rstrip() + "\n"


if __name__ == "__main__":
    main()
