"""Whole records of a bundle, a run and a report, with small contents; see `made`."""

from dataclasses import replace

from pipeline.ort.settings import SessionSettings
from pipeline.records.bundle import (
    BundleIndex,
    BundleResults,
    BundleRow,
    CaseOutcome,
    ErrorLimits,
    OutputErrors,
    PackedCase,
    PackedVariant,
)
from pipeline.records.claim import Claim
from pipeline.records.engine import ShapeRange
from pipeline.records.files import FileRecord
from pipeline.records.machine import Machine
from pipeline.records.package import Finding, PackageRecord
from pipeline.records.report import Elsewhere, MeasuredElsewhere, ReportData, StageData
from pipeline.records.run import RunRecord, StageEntry
from tests.pipeline.records.judged import FULL_PARITY, FULL_PERF, parity_record
from tests.pipeline.records.made import SAMPLES

WRONG = OutputErrors(count=8, rms=0.0, quantile=0.0, max=0.0, bad=8, rows=None, shape=(2, 4))
LATENCIES = {"model-0": ((1.0, 2.0), (6.0,))}


def bundle_row(**changes):
    record = BundleRow(
        name="model.ort-cpu-fp32",
        precision="fp32",
        ran=True,
        device="onnxruntime",
        cases=(
            CaseOutcome(case="model-0", right=False, outputs={"y": WRONG}),
            CaseOutcome(case="model-1", right=False, error="it fell"),
        ),
        right=False,
        latency_ms=LATENCIES,
    )
    return replace(record, **changes)


def not_run(**changes):
    record = BundleRow(name="model.engine", precision="fp16", ran=False, reason="no GPU")
    return replace(record, **changes)


def bundle_results(*rows, **changes):
    record = BundleResults(
        bundle="ab",
        artifacts={"export": "cd"},
        when="2026-01-02T03:04:05Z",
        machine={"gpu": "none"},
        results=rows or (bundle_row(), not_run()),
    )
    return replace(record, **changes)


BUNDLE = BundleIndex(
    artifacts={"export": "cd"},
    candidates=(
        PackedVariant(
            name="model.ort-cpu-fp32",
            part="model",
            kind="graph",
            file="onnx/model.onnx",
            target="ort-cpu",
            precision="fp32",
            session=SessionSettings(denormals="flush"),
        ),
        PackedVariant(
            name="model.tensorrt-fp16.engine",
            part="model",
            kind="engine",
            file="engine/model.plan",
            target="tensorrt",
            precision="fp16",
            flavour="tensorrt-rtx",
            version="1.7",
            targets=("8.0",),
            profiles=({"x": ShapeRange((1, 8), (2, 8), (4, 8))},),
        ),
    ),
    cases={
        "model": (
            PackedCase(
                name="model-0",
                style="plain",
                inputs="cases/model-0.inputs.npz",
                outputs="cases/model-0.outputs.npz",
                limits={"fp32": {"y": ErrorLimits(rms=1e-7, quantile=2e-7, max=3e-7)}},
            ),
        )
    },
    files={"onnx/model.onnx": "ef"},
)
FILE = FileRecord(path="onnx/model.onnx", sha256="ef", bytes=5, shared=False)


def run_record(**changes):
    record = RunRecord(
        folder="out",
        passed=True,
        report="out/report.html",
        stages=(
            StageEntry(
                stage="export",
                status="made",
                detail="",
                seconds=1.5,
                passed=None,
                key="k",
                digest="d",
                files=(FILE,),
            ),
        ),
    )
    return replace(record, **changes)


def stage_data(name="export", facts=None, **changes):
    record = StageData(
        stage=name,
        key="k",
        digest="d",
        made="2026-01-02T03:04:05+00:00",
        seconds=1.5,
        peak_rss_bytes=1024,
        files=(FILE,),
        facts=SAMPLES[name.partition(".")[0]].to_json() if facts is None else facts,
        versions={"torch": "2.13"},
        parents={"graph": "d"},
        log=("info: said",),
    )
    return replace(record, **changes)


def report_data(**changes):
    record = ReportData(
        key="k",
        name="out",
        machine=Machine(python="3.12", system="Linux", cpu="a CPU", cores=2, memory_bytes=4096),
        stages=(
            stage_data(),
            stage_data("optimize.ort-cpu-fp32"),
            stage_data("build-engine.tensorrt-fp16"),
            stage_data("parity", parity_record().to_json()),
        ),
        parity=FULL_PARITY,
        perf=FULL_PERF,
        claims=(Claim("it is fp32", "kept", "read", "onnx/model.onnx"),),
        elsewhere=(
            Elsewhere(
                machine={"gpu": "none"},
                when="now",
                measured=(
                    MeasuredElsewhere(
                        name="model.ort-cpu-fp32",
                        precision="fp32",
                        ran=True,
                        right=False,
                        device="onnxruntime",
                        latency_ms=LATENCIES,
                        cases=bundle_row().cases,
                        median_ms={"model-0": 2.0},
                    ),
                ),
                changed=("export",),
                file="ab.json",
            ),
        ),
    )
    return replace(record, **changes)


PACKAGE = PackageRecord(
    runtime="triton",
    variant="optimize.ort-cpu-fp32",
    artifacts={"export": "ab", "optimize.ort-cpu-fp32": "cd"},
    when="2026-01-02T03:04:05Z",
    size_bytes=9,
    right=True,
    reason="",
    findings=(Finding("ids", True, ""), Finding("served", None, "no server")),
)

TOLD = {
    "bundle": BUNDLE,
    "bundle results": bundle_results(),
    "package": PACKAGE,
    "run": run_record(),
    "report": report_data(),
}
