"""Fusion coverage on a folder of exported models: ours beside other optimizers.

    python -m reports.fusion.measure --zoo ZOO --work WORK [--targets ort-cpu,tensorrt] [--as NAME]

ZOO holds `score.py` (counts fused and leftover structures, compares outputs with PyTorch's on three
input sets); WORK holds `models/ARCH.DIALECT/model.onnx` with its inputs, `expected.json`, and
`res/ARCH.DIALECT.PEER.json` where other optimizers were scored the same way. Each model is
optimized in a forked child; graphs for tensorrt are also given to the TensorRT-RTX parser.
Writes data.json and report.md beside this script, NAME.json and NAME.md for another set of models.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import traceback
from collections import Counter, defaultdict
from pathlib import Path

from reports.common import parser_complaint, publish, table

HERE = Path(__file__).resolve().parent
PEERS = ("none", "ort_tf", "ort_all", "onnxscript", "onnxslim", "hf_cuda", "hf_cpu")
NAMES = {
    "none": "exported as is", "ort_tf": "onnxruntime.transformers.optimizer",
    "ort_all": "ONNX Runtime ENABLE_ALL", "onnxscript": "onnxscript ORT fusions",
    "onnxslim": "onnxslim", "hf_cuda": "transformers fuse_for_onnxruntime (cuda)",
    "hf_cpu": "transformers fuse_for_onnxruntime (cpu)",
}  # fmt: skip
FURTHER = (
    " No rule was written from these models before they were first run; what they showed was "
    "mended for all. Norms counted by module name may be more than the graph has."
)
DIALECTS = ("eager18", "sdpa18", "op23", "hf18", "ts17", "ts14")


def optimize_and_score(folder: Path, target: str, out: Path, score) -> dict:
    from pipeline.stages.optimize.options import OptimizeOptions
    from pipeline.stages.optimize.stage import optimize_model

    started = time.perf_counter()
    made = optimize_model(OptimizeOptions(folder / "model.onnx", out, target=target))
    seconds = time.perf_counter() - started
    result = {"seconds": round(seconds, 2), **score.score(str(out), str(folder))}
    result["left"] = [
        {"construct": s.construct, "state": s.state, "reason": s.refusal.reason}
        for s in made.record.sites
        if s.construct in ("attention", "norm") and s.state != "fused"
    ]
    result["proven"] = sum(s.proof is not None for s in made.record.sites)
    result["fused_sites"] = sum(s.state == "fused" for s in made.record.sites)
    if target == "tensorrt":
        result["parser"] = parser_complaint(out)
    return result


def in_child(work, limit: int = 300) -> dict:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            result = work()
        except BaseException as error:
            traceback.print_exc()
            result = {"fail": f"{type(error).__name__}: {str(error)[:300]}"}
        with os.fdopen(write, "w") as pipe:
            json.dump(result, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else {"fail": "the process died"}


def sound(row: dict, base: dict) -> str:
    """Return `` when the outputs are right wherever the export's are, else what is wrong."""
    if "fail" in row or "load" in row.get("default", {}):
        return "does not load"
    for case in "ABC":
        ok = base.get("default", {}).get(case, {}).get("rel", 9) <= 1e-3
        mine = row["default"].get(case, {})
        if "fail" in mine:
            if ok or case == "A":  # A is the exported shape: a file that fails there is no use
                return "fails to run"
        elif ok and mine.get("rel", 9) > 1e-3:
            return "wrong"
    return ""


def repaired(row: dict, base: dict) -> bool | None:
    """Whether an export that fails to run comes out running and right; None when it ran."""
    if not any("fail" in base["default"].get(case, {}) for case in "ABC"):
        return None
    return all(row.get("default", {}).get(case, {}).get("rel", 9) <= 1e-3 for case in "ABC")


def summary(rows: dict, expected: dict, base: dict) -> dict:
    """Return the counts of one optimizer on one dialect."""
    found: Counter[str] = Counter()
    for arch, row in rows.items():
        want, origin = expected[arch], base[arch]
        found["models"] += 1
        problem = sound(row, origin)
        if problem:
            found[problem] += 1
            continue
        attention = min(row["attn_fused"], want["attn"])
        folded = 0
        kept = row["norm_fused"] + row["norm_left"]
        if kept < want["norm"] == origin["norm_fused"] + origin["norm_left"]:
            folded = want["norm"] - kept  # equal norms merged, or norms of constants folded
        plain = sum(
            x["construct"] == "attention" and x["state"] == "plain" for x in row.get("left", [])
        )
        found["attention"] += attention
        found["plain"] += plain
        found["norms"] += min(row["norm_fused"] + folded, want["norm"])
        whole_a = attention == want["attn"] and not row["softmax_attn"]
        whole_n = row["norm_fused"] + folded >= want["norm"] and not row["norm_left"]
        found["whole"] += whole_a and whole_n
        found["whole or plain"] += (whole_a or attention + plain == want["attn"]) and whole_n
        found["rejected by the parser"] += bool(row.get("parser"))
        found["repeated keys left"] += row["kv_repeat"]
        found["past in the op"] += row["past_in_op"]
    found["attention expected"] = sum(expected[a]["attn"] for a in rows)
    found["norms expected"] = sum(expected[a]["norm"] for a in rows)
    for arch, row in rows.items():
        state = repaired(row, base[arch])
        found["not running"] += state is not None
        found["repaired"] += state is True
    return dict(found)


def tables(data: dict) -> str:
    lines, head = [], ["optimizer", "models", "attention fused", "norms fused", "whole", "wrong",
                       "fails or does not load", "not running, repaired", "keys still repeated",
                       "median s"]  # fmt: skip
    for dialect in data["dialects"]:
        cells = []
        for rows in data["dialects"][dialect].values():
            s = rows["summary"]
            whole = f"{s.get('whole', 0)}"
            if s.get("plain"):
                whole += f" (+{s['whole or plain'] - s['whole']} with soft-cap left plain)"
            bad = s.get("fails to run", 0) + s.get("does not load", 0)
            cells.append([
                rows["label"], s["models"], f"{s.get('attention', 0)}/{s['attention expected']}",
                f"{s.get('norms', 0)}/{s['norms expected']}", whole, s.get("wrong", 0), bad,
                f"{s.get('repaired', 0)}/{s['not running']}", s.get("repeated keys left", 0),
                rows["seconds"],
            ])  # fmt: skip
        lines += ["", f"### {dialect}", "", *table(head, cells)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--targets", default="ort-cpu,tensorrt")
    parser.add_argument("--dialects", default=",".join(DIALECTS))
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--as", dest="name", default="")
    args = parser.parse_args()
    sys.path.insert(0, str(args.zoo))
    results = args.work / "ours"
    results.mkdir(exist_ok=True)
    if not args.report_only:
        run(args, results)
    write(args, results)


def run(args: argparse.Namespace, results: Path) -> None:
    import onnxruntime  # noqa: F401  loaded once, shared by the children
    import score
    import torch

    import pipeline.fusion.plan
    import pipeline.judge
    import pipeline.stages.optimize.engine
    import pipeline.stages.optimize.proof  # noqa: F401

    torch.set_num_threads(1)
    for dialect in args.dialects.split(","):
        for folder in sorted((args.work / "models").glob(f"*.{dialect}")):
            for target in args.targets.split(","):
                file = results / f"{folder.name}.{target}.json"
                if file.exists() or not (folder / "model.onnx").exists():
                    continue
                out = results / f"{folder.name}.{target}.onnx"
                row = in_child(lambda f=folder, t=target, o=out: optimize_and_score(f, t, o, score))
                for path in results.glob(f"{folder.name}.{target}.onnx*"):
                    path.unlink()
                file.write_text(json.dumps(row))
                print(folder.name, target, row.get("fail", row.get("seconds")), flush=True)


def write(args: argparse.Namespace, results: Path) -> None:
    expected = json.loads((args.work / "expected.json").read_text())
    archs = {folder.name.rpartition(".")[0] for folder in (args.work / "models").iterdir()}
    data: dict = {"architectures": len(archs & expected.keys()), "dialects": {},
                  "left": defaultdict(list)}  # fmt: skip
    for dialect in args.dialects.split(","):
        base = load(args.work / "res", dialect, "none", expected)
        kinds = [(f"ours, {t}", load(results, dialect, t, expected), t)
                 for t in args.targets.split(",")]  # fmt: skip
        kinds += [(NAMES[p], load(args.work / "res", dialect, p, expected), p) for p in PEERS]
        shown = {}
        for label, rows, name in kinds:
            rows = {arch: row for arch, row in rows.items() if arch in base}
            if not rows or (name in PEERS and len(rows) < len(base)):
                continue
            times = [row["seconds"] for row in rows.values() if "seconds" in row]
            shown[name] = {
                "label": label,
                "summary": summary(rows, expected, base),
                "seconds": round(statistics.median(times), 2) if times else "-",
                "slowest": round(max(times), 2) if times else None,
            }
            for arch, row in rows.items():
                for item in row.get("left", []):
                    data["left"][f"{name}: {item['state']}: {item['reason']}"].append(
                        f"{arch}.{dialect}"
                    )
                if row.get("parser"):
                    data["left"][f"{name}: parser: {row['parser']}"].append(f"{arch}.{dialect}")
        data["dialects"][dialect] = shown
    publish(HERE, data, page(data, args.name), args.name or "report")


def page(data: dict, name: str) -> str:
    """Return the report on the models of a name, the first ones have none."""
    lines = [
        "# Fusion coverage" + (f": {name}" if name else ""), "",
        f"{data['architectures']} small transformers of many architectures in "
        f"{len(data['dialects'])} exporter dialects, optimized and scored in one run: attention "
        "operators by type, norm operators, and the outputs against PyTorch's on three input sets "
        "(as exported; another batch and length, padded; holes in the mask). *Whole*: every "
        "attention and every norm fused, and no attention softmax left. "
        "*Wrong*: relative error above 1e-3 where the export itself is right. Ours includes the "
        "proof of every rewrite in its seconds, which are wall time on a machine that was shared, "
        "least so for eager18 and op23. Optimizers that were not run on a whole dialect "
        "are left out of it." + FURTHER * bool(name),
        tables(data), "", "## What was left, and why", "",
    ]  # fmt: skip
    for reason, where in sorted(data["left"].items()):
        models = sorted(set(where))
        names = ", ".join(models[:6]) + (" ..." if len(models) > 6 else "")
        lines.append(f"- {reason} ({len(where)} sites: {names})")
    return "\n".join(lines) + "\n"


def load(folder: Path, dialect: str, kind: str, expected: dict) -> dict:
    found = {}
    for arch in expected:
        file = folder / f"{arch}.{dialect}.{kind}.json"
        if file.exists():
            found[arch] = json.loads(file.read_text())
    return found


if __name__ == "__main__":
    main()
