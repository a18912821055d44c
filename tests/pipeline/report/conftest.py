"""A folder's data as the stages write it, small and with one of everything."""

import copy

import pytest

from pipeline.records.engine import ShapeRange
from pipeline.records.export import SharedWeights
from pipeline.records.optimize import NodeCounts, SiteCounts
from pipeline.records.record import as_json
from pipeline.records.report import ReportData
from tests.pipeline.records.judged import parity_record, perf_record, perf_result
from tests.pipeline.records.made import (
    attention_row,
    engine_part,
    engine_record,
    export_record,
    model_source,
    optimize_record,
    optimized_part,
)

ERRORS = {"count": 1000, "rms": 1e-7, "quantile": 4e-7, "max": 9e-7, "bad": 0, "rows": 250.0}
COUNTS = [0] * 20 + [5, 50, 5] + [0] * 33


def output(name, usage=0.5, passed=True, problem=""):
    return {
        "output": name, "passed": passed, "usage": usage, "worst_case": "batch=3 seq=29",
        "errors": ERRORS, "noise": ERRORS, "kappa": 1.4, "histogram": COUNTS,
        "noise_histogram": COUNTS, "problem": problem,
    }  # fmt: skip


def candidate(name, passed=True, skipped="", **fields):
    check = {
        "name": "padded rows", "output": "logits", "bitwise": True, "errors": ERRORS,
        "skipped": "", "usage": 0.0, "passed": True,
    }  # fmt: skip
    made = {
        "name": name, "part": "model", "precision": "fp32", "file": f"model.{name}.onnx",
        "passed": None if skipped else passed, "skipped": skipped,
        "describe": {"runtime": "onnxruntime", "version": "1", "provider": "CPUExecutionProvider"},
        "outputs": [] if skipped else [output("logits", 0.5 if passed else None, passed)],
        "checks": [] if skipped else [check],
    }  # fmt: skip
    return {**made, **fields}


FORCED = {
    "positions": 8, "kl_mean": 1e-9, "kl_max": 1e-9, "agreement": 1.0, "logit_error_max": 1e-6,
}  # fmt: skip
PARITY = {
    "passed": True,
    "reference": "the PyTorch model in float64",
    "rule": {"rms": 2.0, "max": 8.0, "loud": 32.0, "floor_ulps": 4.0},
    "edges": [-12 + i / 4 for i in range(57)],
    "parts": {
        "model": {
            "cases": [
                {"name": "c", "style": "plain", "seed": 0, "sizes": {"batch": 3}, "traced": False}
            ],
            "candidates": [
                candidate("exported"),
                candidate("ort-cpu-fp32"),
                candidate("engine tensorrt-fp16", skipped="No GPU."),
            ],
        }
    },
    "generation": {
        "texts": 2,
        "samples": [{"text": "我今天很开心。", "output": "I'm happy today."}],
        "candidates": [
            {
                "name": "torch fp32", "passed": True, "skipped": "", "texts": 2, "equal": 1,
                "near_ties": 1, "failed": 0, "forced": FORCED,
                "divergences": [
                    {"text": "x", "row": 0, "step": 2, "expected": 1, "got": 2, "margin": 1e-7,
                     "noise": 1e-6, "near_tie": True}
                ],
            },
            {"name": "engine tensorrt-fp16", "passed": None, "skipped": "No GPU.", "texts": 0,
             "equal": 0, "near_ties": 0},
        ],
    },
    "bisect": [],
    "notes": ["model: no PyTorch in fp16 here (some reason)"],
}  # fmt: skip


def latency(median):
    return {
        "calls": 9, "mean": median, "std": median / 50, "min": median * 0.9, "median": median,
        "p90": median, "p95": median * 1.1, "p99": median * 1.2, "max": median * 1.3,
        "unstable": False,
    }  # fmt: skip


def timing(contender, job, median, series="", **fields):
    made = {"contender": contender, "job": job, "series": series, "latency": latency(median)}
    return {**made, "rows_per_s": 1e3 / median, "samples": [[[median]]], **fields}


def ratio(contender, job, value, verdict="faster", resolved=True):
    return {
        "contender": contender, "baseline": "eager", "job": job, "value": value,
        "low": value * 0.98, "high": value * 1.02, "sessions": 6, "rounds": 30, "zone": 0.01,
        "level": 0.99, "verdict": verdict, "resolved": resolved,
    }  # fmt: skip


NAMES = {"eager": 4.0, "exported": 2.0, "ort-cpu-fp32": 1.0}
STEP, TEXT = "model step batch=1 seq=1 past=32", "generation"
PERF = {
    "passed": True, "gate": [], "threads": 2,
    "plan": as_json(perf_result().plan),
    "jobs": [
        {"name": STEP, "part": "model", "tokens": None,
         "sizes": {"batch": 1, "seq": 1, "past": 32}},
        {"name": TEXT, "part": "", "sizes": {"batch": 1, "prompt": 32, "tokens": 16}, "tokens": 16},
    ],
    "contenders": [
        {"name": name, "kind": "ort", "precision": "fp32", "describe": {"model": {"runtime": "x"}},
         "load_s": [0.1], "peak_rss_bytes": 1000000, "skipped": ""} for name in NAMES
    ] + [{"name": "openvino", "kind": "", "describe": {}, "skipped": "openvino is not installed."}],
    "results": [timing(name, job, ms) for name, ms in NAMES.items() for job in (STEP,)]
    + [timing(name, TEXT, ms * 20, tokens_per_s=800 / ms) for name, ms in NAMES.items()]
    + [timing(name, TEXT, ms, s) for name, ms in NAMES.items() for s in ("first", "next")],
    "ratios": [
        ratio("exported", STEP, 2.0), ratio("ort-cpu-fp32", STEP, 4.0),
        ratio("ort-cpu-fp32", TEXT, 1.0, "no difference", resolved=False),
    ],
    "overall": [
        {"contender": "exported", "baseline": "eager", "value": 2.0, "faster": 1, "slower": 0,
         "no_difference": 0, "jobs": 1},
        {"contender": "ort-cpu-fp32", "baseline": "eager", "value": 2.0, "faster": 1, "slower": 0,
         "no_difference": 1, "jobs": 2},
    ],
    "roofline": [
        {"contender": "ort-cpu-fp32", "job": STEP, "uncounted": 0, "measured_ms": 1.0,
         "limit_ms": 0.4, "share": 0.4, "flops": 1e6, "bytes": 1e5,
         "peaks": {"flops": 5e10, "bytes": 2e10, "precision": "fp32", "working_set_bytes": 1000000},
         "constructs": [
             {"construct": "linear", "flops": 1e6, "bytes": 1e5, "limit_ms": 0.4,
              "measured_ms": 0.8, "bound": "compute"},
             {"construct": "layout", "flops": 0.0, "bytes": 1e4, "limit_ms": 0.0,
              "measured_ms": None, "bound": "memory"}]},
    ],
    "warnings": ["The machine was busy."],
}  # fmt: skip

PROOF = {
    "digest": "d",
    "runs": 12,
    "error": 1e-6,
    "allowed": 1e-5,
    "engine": "ort",
    "ok": True,
    "reason": "",
    "inputs": ["made-up ranges"],
    "lacking": "",
}
SITES = [
    {"construct": "attention", "path": "layers.0.attention", "anchor": "Softmax s0",
     "state": "fused", "form": "4 heads", "lowering": "fuse_attention", "proof": PROOF},
    {"construct": "attention", "path": "layers.1.attention", "anchor": "Softmax s1",
     "state": "refused", "form": "", "lowering": "",
     "refusal": {"nearest": "plain", "step": 3, "steps": 9, "asked": "is it a number?",
     "reason": "the scale is 0.1 | not a constant", "node": "Mul m", "remedy": "fold it"}},
    {"construct": "norm", "path": "", "anchor": "ReduceMean r", "state": "plain",
     "form": "LayerNorm", "lowering": ""},
]  # fmt: skip


def stage(name, facts, **fields):
    made = {
        "stage": name, "key": "k" * 64, "digest": "d" * 64, "made": "2026-01-02T03:04:05+00:00",
        "seconds": 3.2, "peak_rss_bytes": 5 * 10**8, "files": [
            {"path": f"onnx/{name}.onnx", "sha256": "a" * 64, "bytes": 1234, "shared": False}],
        "facts": facts, "versions": {"torch": "2.13"}, "parents": {}, "log": ["info: something"],
    }  # fmt: skip
    return {**made, **fields}


EXPORT = export_record(
    task="text-generation",
    model=model_source(source="gpt2-tiny"),
    weights=SharedWeights(file="onnx/w.data", bytes=5000000, tensors=9, shared=0),
).to_json()
COUNTED = {
    "attention": SiteCounts(fused=1, plain=0, refused=1),
    "norm": SiteCounts(fused=0, plain=1, refused=0),
}
OPTIMIZE = optimize_record(
    {"model": optimized_part(counts=COUNTED, nodes=NodeCounts(before=90, after=60))}
).to_json()
OPTIMIZE["parts"]["model"]["sites"] = SITES
ENGINE = engine_record(
    {
        "model": engine_part(
            targets=("8.0", "8.9"),
            plan_bytes=7000000,
            build_seconds=12.0,
            layers=40,
            attention=(attention_row(), attention_row(dedicated=False)),
            profiles=({"input_ids": ShapeRange((1, 1), (1, 32), (8, 64))},),
        )
    }
).to_json()
DATA = {
    "format": ReportData.FORMAT,
    "key": "k",
    "name": "out",
    "machine": {
        "python": "3.12",
        "system": "Linux",
        "cpu": "A CPU",
        "cores": 2,
        "memory_bytes": 8 * 10**9,
    },
    "stages": [
        stage("export", EXPORT),
        stage("optimize.ort-cpu-fp32", OPTIMIZE),
        stage("build-engine.tensorrt-fp16", ENGINE),
        stage("parity", parity_record().to_json()),
        stage("perf", perf_record().to_json()),
    ],
    "parity": PARITY,
    "perf": PERF,
    "claims": [
        {"claim": "2 attentions fused", "state": "broken", "evidence": "1 of 2", "where": ""},
        {"claim": "fp32", "state": "kept", "evidence": "read from the graph", "where": ""},
        {"claim": "runs on 8.9", "state": "unchecked", "evidence": "no GPU", "where": ""},
    ],
    "elsewhere": [],
}


@pytest.fixture
def data():
    """A fresh copy for each test to change."""
    return copy.deepcopy(DATA)
