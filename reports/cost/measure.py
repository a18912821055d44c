"""What optimizing costs: BERT-base beside other optimizers, a 7B Llama, and 6 to 48 layers.

    python -m reports.cost.measure WORK [NAME=FILE.onnx ...] [--only NAME,NAME] [--repeat 3]

Each run is a process of its own: seconds after the imports, private memory at its highest. The
fastest of the repeats is kept. Graphs are made once and stay in WORK: BERT-base and a Llama of 32
layers at full size (the latter with weights in a sparse file of 13.5 GB, which holds zeros and no
blocks), and BERTs of hidden size 64 whose cost is their nodes. Writes data.json and report.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from reports.common import publish, table
from reports.cost.graphs import make_bert, make_llama_7b

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LAYERS = (6, 12, 24, 48)
PEERS = ("onnxruntime.transformers.optimizer", "onnxscript ORT fusions", "onnxslim")
START = """
import contextlib, io, json, re, sys, threading, time
from pathlib import Path
source, target = Path(sys.argv[1]), Path(sys.argv[1]).with_name("fused.onnx")
def anon():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
class Watch(threading.Thread):
    peak, done = 0, False
    def run(self):
        while not self.done:
            self.peak = max(self.peak, anon())
            time.sleep(0.005)
"""
OURS = """
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
def work():
    made = optimize_model(OptimizeOptions(source, target, proof=sys.argv[2]))
    told = made.record.to_json()
    return {"nodes": told["nodes"], "counts": told["counts"]}
"""
THEIRS = {
    PEERS[0]: """
from onnxruntime.transformers.optimizer import optimize_model
def work():
    made = optimize_model(str(source), model_type="bert", opt_level=0)
    made.save_model_to_file(str(target), use_external_data_format=True)
""",
    PEERS[1]: """
import onnx_ir as ir
from onnxscript.rewriter.ort_fusions import optimize_for_ort
def work():
    model, _ = optimize_for_ort(ir.load(source))
    ir.save(model, target, external_data="fused.data")
""",
    PEERS[2]: """
import onnx, onnxslim
def work():
    model = onnxslim.slim(onnx.load(source))
    onnx.save(model, str(target), save_as_external_data=True, location="fused.data")
""",
}
END = """
watch, before = Watch(daemon=True), anon()
watch.start()
cpu, wall = time.process_time(), time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()):
    facts = work() or {}
taken = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
watch.done = True
watch.join()
print(json.dumps({**taken, "imports_mb": before, "anon_mb": max(watch.peak, anon()), **facts}))
"""


def run(path: Path, code: str, repeat: int, *arguments: str) -> dict:
    """Return the fastest of some runs in processes of their own."""
    command = [sys.executable, "-c", START + code + END, str(path), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    rows, before = [], set(path.parent.iterdir())
    for _ in range(repeat):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            return {"failed": (done.stderr.strip().splitlines() or ["no word"])[-1][:200]}
        rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
        for made in set(path.parent.iterdir()) - before:
            made.unlink()
    return min(rows, key=lambda row: row["wall_s"])


def measured(name: str, path: Path, peers: bool, repeat: int) -> list[dict]:
    rows = []
    for proof in ("none", "structure"):
        rows.append({"model": name, "by": f"ours, proofs: {proof}",
                     **run(path, OURS, repeat, proof)})  # fmt: skip
        print({k: v for k, v in rows[-1].items() if k != "counts"}, flush=True)
    for peer in PEERS if peers else ():
        rows.append({"model": name, "by": peer, **run(path, THEIRS[peer], repeat)})
        print(rows[-1], flush=True)
    return rows


def report(rows: list[dict]) -> str:
    lines = [
        "# What optimizing costs", "",
        "Seconds of one file to another, in the folder of its weights, imports not counted; "
        "private memory (RssAnon) at its highest, and what imports alone take of it. The fastest "
        "of the repeats. ONNX Runtime's optimizer is told that it is a `bert`; ours nothing.",
        "",
    ]  # fmt: skip
    head = ["model", "nodes", "by", "wall s", "processor s", "RssAnon MB", "of it imports", "fused"]
    cells: list[list[object]] = []
    for row in rows:
        if "failed" in row:
            failed = f"failed: {row['failed']}"
            cells.append([row["model"], "", row["by"], failed, "", "", "", ""])
            continue
        nodes = row["nodes"]["before"] if "nodes" in row else ""
        fused = sum(kind["fused"] for kind in row["counts"].values()) if "counts" in row else ""
        taken = [f"{row[name]:.2f}" for name in ("wall_s", "cpu_s")]
        memory = [row["anon_mb"], row["imports_mb"]]
        cells.append([row["model"], nodes, row["by"], *taken, *memory, fused])
    return "\n".join([*lines, *table(head, cells)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("files", nargs="*", metavar="NAME=FILE")
    parser.add_argument("--only", default="")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    makers = {"BERT-base": lambda path: make_bert(path, 12, 768)}
    makers["Llama 7B shape"] = make_llama_7b
    for n in LAYERS:
        makers[f"BERT of {n} layers"] = lambda path, n=n: make_bert(path, n, 64)
    files = {name: Path(file) for name, _, file in (f.partition("=") for f in arguments.files)}
    wanted = arguments.only.split(",") if arguments.only else [*files, *makers]
    rows = []
    for name in wanted:
        path = files.get(name) or arguments.work / name.lower().replace(" ", "-") / "model.onnx"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            makers[name](path)
        rows += measured(name, path, name == "BERT-base", arguments.repeat)
    publish(HERE, rows, report(rows))


if __name__ == "__main__":
    main()
