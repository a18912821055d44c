"""What optimizing costs: BERT-shaped exports of 6 to 48 layers, and any file given.

    python reports/cost/measure.py WORK [FILE.onnx ...]

Each run is a process of its own: processor seconds and wall seconds after the imports, private
memory. Graphs for the layer series are exported small (hidden size 64); what they cost is nodes.
Writes data.json and report.md beside this script.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHILD = """
import json, resource, sys, time
from pathlib import Path
from pipeline.optimize.options import OptimizeOptions
from pipeline.optimize.stage import optimize_model
source, proof = Path(sys.argv[1]), sys.argv[2]
cpu, wall = time.process_time(), time.perf_counter()
made = optimize_model(OptimizeOptions(source, source.with_name("fused.onnx"), proof=proof))
status = Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]
print(json.dumps({"cpu_s": round(time.process_time() - cpu, 2),
                  "wall_s": round(time.perf_counter() - wall, 2),
                  "start_s": round(cpu, 2), "rss_anon_mb": int(status) // 1024,
                  "nodes": made.facts["nodes"], "counts": made.facts["counts"]}))
"""


def export(path: Path, layers: int) -> None:
    import torch
    import transformers

    config = transformers.BertConfig(
        num_hidden_layers=layers, hidden_size=64, num_attention_heads=4, intermediate_size=128,
        vocab_size=128, attn_implementation="eager",
    )  # fmt: skip
    model = transformers.BertModel(config).eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    axes = {"input_ids": {0: "batch", 1: "seq"}, "attention_mask": {0: "batch", 1: "seq"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    program = torch.onnx.export(
        model, (), kwargs={"input_ids": ids, "attention_mask": ids}, dynamo=True, opset_version=18,
        dynamic_shapes=axes, verbose=False,
    )  # fmt: skip
    program.save(path)


def main() -> None:
    work = Path(sys.argv[1])
    files = {Path(p).parent.name: Path(p) for p in sys.argv[2:]}
    for layers in (6, 12, 24, 48):
        path = work / f"bert-{layers}-layers" / "model.onnx"
        if not path.exists():
            export(path, layers)
        files[path.parent.name] = path
    rows = []
    for name, path in files.items():
        for proof in ("none", "structure"):
            command = [sys.executable, "-c", CHILD, str(path), proof]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            if done.returncode:
                sys.exit(done.stderr)
            rows.append({"model": name, "proof": proof, **json.loads(done.stdout)})
            print(rows[-1], flush=True)
    (HERE / "data.json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [
        "# What optimizing costs", "",
        "Processor seconds of the stage itself (wall seconds beside it; the machine was shared), "
        "the processor seconds spent on imports before it, and private memory. Weights of the "
        "first row are 435 MB of external data in the folder written to.", "",
        "| model | nodes | proofs | processor s | wall s | imports s | RssAnon MB | fused |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        fused = sum(kind["fused"] for kind in row["counts"].values())
        lines.append(
            f"| {row['model']} | {row['nodes']['before']} | {row['proof']} | {row['cpu_s']} "
            f"| {row['wall_s']} | {row['start_s']} | {row['rss_anon_mb']} | {fused} |"
        )
    (HERE / "report.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
