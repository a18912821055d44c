"""Engines of rounded weights: which plans TensorRT-RTX builds here, and do they hold what they say?

    python -m reports.engines.quantised WORK

Exports the presets into WORK, optimizes it for `tensorrt` in each precision, builds one plan
for each compute capability, and asks the claims of the report. Writes quantised.json and
quantised.md beside this script; WORK is kept, so that a second run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pipeline.artifacts import open_folder
from pipeline.claims.check import check_folder
from pipeline.errors import PipelineError
from pipeline.records.engine import EngineRecord
from pipeline.records.optimize import OptimizeRecord
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.stage import build_engines
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.stage import export_model
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from pipeline.types import PRECISIONS
from reports.common import publish, table

HERE = Path(__file__).resolve().parent
PRESETS = ("bert-tiny", "gpt2-tiny", "llama-tiny", "baichuan-tiny", "transformer-tiny", "zh-en")
TARGETS = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
SAID = 200  # characters of a reason


def main() -> None:
    """Build what can be built and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--presets", nargs="*", default=PRESETS)
    parser.add_argument("--render", action="store_true", help="write the page of what is there")
    options = parser.parse_args()
    if options.render:
        rows = json.loads((HERE / "quantised.json").read_text())
        publish(HERE, rows, page(rows), "quantised")
        return
    rows = []
    for preset in options.presets:
        place = options.work / preset
        export_model(ExportOptions(preset, place))
        for precision in PRECISIONS:
            rows += built(preset, place, precision)
            print(rows[-1], flush=True)
    publish(HERE, rows, page(rows), "quantised")


def built(preset: str, place: Path, precision: str) -> list[dict]:
    """Return a row per part of a preset in one precision, or one that says why there is none."""
    row: dict = {"preset": preset, "precision": precision}
    try:
        made = optimize_model(OptimizeOptions(place, target="tensorrt", precision=precision))
    except PipelineError as error:
        return [{**row, "refused": f"{error.what}; {error.fix}"[:SAID]}]
    record = OptimizeRecord.of(made)
    plans: dict[str, dict] = {name: {} for name in record.parts}
    for target in TARGETS:
        for name, answer in plans_for(place, precision, target, list(plans)).items():
            plans[name][target] = answer
    claims = {claim.claim: claim.state for claim in check_folder(open_folder(place))}
    variant = f"tensorrt-{precision}"
    return [
        {
            **row,
            "part": name,
            "linear": list(vars(part.count("linear")).values()),
            "plans": plans[name],
            "claims": {
                text: state for text, state in claims.items()
                if text.startswith(f"{name}.{variant} engine")
                and ("holds" in text or " is " in text) and "runs on" not in text
            },
        }
        for name, part in record.parts.items()
    ]  # fmt: skip


def plans_for(place: Path, precision: str, target: str, parts: list[str]) -> dict[str, dict]:
    """Return bytes of the plan and of its weights per part, or the reason there is none."""
    options = BuildEngineOptions(
        place, place, precision=precision, compute_capabilities=(target,), check_attention=False,
        backend="tensorrt-rtx",
    )  # fmt: skip
    try:
        made = EngineRecord.of(build_engines(options)).parts
    except PipelineError as error:
        return {name: {"why": error.what[:SAID]} for name in parts}
    return {
        name: {"plan": part.plan_bytes, "weights": part.weights_bytes}
        for name, part in made.items()
    }


INTRO = """# Engines of rounded weights

TensorRT-RTX {version}, no GPU: tiny presets and zh-en, for `tensorrt` in every precision, one
plan for each compute capability. *Weights* is what the builder counts of them ("Total Weights
Memory" in its log), *of fp16* its share of the fp16 engine's: the plan of a small model is mostly
kernels, so the size of its file shows little. A cell is the plan in MB, or a letter for the
reason below. *Claims* is what the report says of the last plan built. Accuracy and speed of
engines were not measured: not run on a GPU. What is not rounded stays float32 (norms, biases, and
the embedding where TensorRT has no form for it): the int8 encoder of zh-en weighs as much as its
fp16 one, which has a 16-bit embedding. Made by [quantised.py](quantised.py).
"""


def page(rows: list[dict]) -> str:
    """Return the report."""
    from pipeline import tensorrt_api

    lines = [INTRO.format(version=tensorrt_api.wheel_version("tensorrt-rtx"))]
    whys: dict[str, str] = {}
    body = []
    half = {
        (r["preset"], r["part"]): weights(r)
        for r in rows
        if r["precision"] == "fp16" and "part" in r
    }
    for row in rows:
        if "refused" in row:
            continue
        fused, plain, refused = row["linear"]
        share = weights(row) / (half.get((row["preset"], row["part"])) or 1)
        states = sorted(set(row["claims"].values()))
        body.append((
            f"{row['preset']} {row['part']}", row["precision"],
            f"{fused} of {fused + plain + refused}" if fused + plain + refused else "–",
            f"{weights(row) / 1e6:.3f}", f"{share:.2f}",
            *(cell(row["plans"].get(target, {}), whys) for target in TARGETS),
            ", ".join(states) or "none",
        ))  # fmt: skip
    head = ("model", "precision", "rounded", "weights MB", "of fp16", *TARGETS, "claims")
    lines += table(head, body)
    lines += ["", *(f"- {letter}: {why}" for why, letter in whys.items())]
    refused_rows = {(r["precision"], r["refused"]) for r in rows if "refused" in r}
    lines += ["", "Not made:", "", *(f"- {p}: {why}" for p, why in sorted(refused_rows))]
    lines += ["- nvfp4, mixed: no such --precision yet"]
    return "\n".join(lines) + "\n"


def weights(row: dict) -> int:
    """Return the bytes of weights of the last plan that was built."""
    found = [plan["weights"] for plan in row["plans"].values() if plan.get("weights")]
    return found[-1] if found else 0


def cell(plan: dict, whys: dict[str, str]) -> str:
    """Return the size of a plan, or the letter of the reason why there is none."""
    if "plan" in plan:
        return f"{plan['plan'] / 1e6:.1f}"
    return whys.setdefault(plan.get("why", "not tried"), chr(ord("a") + len(whys)))


if __name__ == "__main__":
    main()
