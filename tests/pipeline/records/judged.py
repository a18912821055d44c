"""Whole records of the stages that judge, with small contents; see `made`."""

from dataclasses import replace

from pipeline.records.coverage import CaseRecord
from pipeline.records.generation import (
    DivergenceRecord,
    ForcedRecord,
    GenerationResult,
    GenerationRow,
    SampleText,
)
from pipeline.records.parity import (
    CandidateRecord,
    CandidateSummary,
    CheckRecord,
    Departure,
    ErrorRecord,
    GenerationSummary,
    OutputRecord,
    ParityRecord,
    ParityResult,
    ParityRule,
    PartComparison,
)
from pipeline.records.perf import (
    ConstructLimit,
    ContenderRecord,
    JobRecord,
    LatencyRecord,
    OverallRecord,
    PeaksRecord,
    PerfRecord,
    PerfResult,
    RatioRecord,
    RooflineRow,
    ScheduleRecord,
    TimingRecord,
)


def errors(**changes):
    record = ErrorRecord(count=8, rms=1e-7, quantile=2e-7, max=3e-7, bad=0, rows=2.5)
    return replace(record, **changes)


def output(**changes):
    record = OutputRecord(
        output="y",
        passed=True,
        usage=0.5,
        worst_case="batch=1 plain seed=0",
        errors=errors(),
        noise=errors(rows=None),
        kappa=1.5,
        histogram=(1, 2),
        noise_histogram=(2, 1),
        problem="",
    )
    return replace(record, **changes)


def check(**changes):
    record = CheckRecord(
        name="identical rows",
        output="y",
        bitwise=False,
        errors=errors(),
        skipped="",
        usage=0.25,
        passed=True,
    )
    return replace(record, **changes)


def candidate(**changes):
    record = CandidateRecord(
        name="ort-cpu-fp32",
        part="model",
        precision="fp32",
        file="model.ort-cpu-fp32.onnx",
        passed=True,
        skipped="",
        describe={"runtime": "onnxruntime"},
        outputs=(output(),),
        checks=(check(),),
    )
    return replace(record, **changes)


def case(**changes):
    record = CaseRecord(
        name="batch=1 plain seed=0", style="plain", seed=0, sizes={"batch": 1}, traced=False
    )
    return replace(record, **changes)


def departure(**changes):
    record = Departure(
        candidate="ort-cpu-fp32",
        part="model",
        stage="graph",
        compared=5,
        usage=7.5,
        before="a",
        tensor="b",
        node="Tanh t",
        module="block.0",
        rewrite="",
    )
    return replace(record, **changes)


def forced(**changes):
    record = ForcedRecord(
        positions=4, kl_mean=1e-9, agreement=1.0, kl_max=2e-9, logit_error_max=1e-6
    )
    return replace(record, **changes)


def divergence(**changes):
    record = DivergenceRecord(
        row=1, step=2, expected=3, got=None, margin=1e-7, noise=1e-6, near_tie=True, text="a"
    )
    return replace(record, **changes)


def generation_row(**changes):
    record = GenerationRow(
        name="ort-cpu-fp32",
        passed=True,
        skipped="",
        texts=2,
        equal=1,
        near_ties=1,
        failed=0,
        divergences=(divergence(),),
        forced=forced(),
    )
    return replace(record, **changes)


def not_generated(name="engine", skipped="no GPU"):
    return GenerationRow(name=name, passed=None, skipped=skipped, texts=0, equal=0, near_ties=0)


def generation(*rows):
    return GenerationResult(
        texts=2,
        candidates=rows or (generation_row(), not_generated()),
        samples=(SampleText(text="a", output="b"),),
    )


DERIVED = ParityRule(rms=2.0, max=8.0, loud=32.0, floor_ulps=4.0)


def parity_result(*candidates, **changes):
    found = candidates or (candidate(),)
    record = ParityResult(
        passed=True,
        reference="the PyTorch model in float64",
        rule=DERIVED,
        edges=(-12.0, 0.0, 2.0),
        parts={"model": PartComparison(cases=(case(),), candidates=found)},
        generation=None,
        bisect=(),
        notes=(),
    )
    return replace(record, **changes)


def summarized(**changes):
    record = CandidateSummary(
        name="ort-cpu-fp32", part="model", precision="fp32", passed=True, skipped="", usage=0.5
    )
    return replace(record, **changes)


def parity_record(**changes):
    record = ParityRecord(
        file="parity/parity.json",
        passed=True,
        reference="the PyTorch model in float64",
        candidates=(summarized(),),
        generation=(),
        bisect=(),
        notes=(),
    )
    return replace(record, **changes)


def generation_summary(**changes):
    record = GenerationSummary(
        name="ort-cpu-fp32", passed=True, skipped="", texts=2, equal=1, near_ties=1
    )
    return replace(record, **changes)


def latency(median=2.0, **changes):
    record = LatencyRecord(
        calls=4,
        mean=median,
        std=0.01,
        min=median,
        median=median,
        p90=median,
        p95=median,
        p99=median,
        max=median,
        unstable=False,
    )
    return replace(record, **changes)


def timing(contender="eager", median=2.0, **changes):
    record = TimingRecord(
        contender=contender,
        job="model batch=1",
        series="",
        latency=latency(median),
        rows_per_s=500.0,
        samples=(((median, median), (median,)), ((median,),)),
    )
    return replace(record, **changes)


def ratio(contender="exported", baseline="eager", **changes):
    record = RatioRecord(
        contender=contender,
        baseline=baseline,
        job="model batch=1",
        value=2.0,
        low=1.9,
        high=2.1,
        sessions=6,
        rounds=30,
        verdict="faster",
        resolved=True,
        level=0.99,
        zone=0.01,
    )
    return replace(record, **changes)


def overall_ratio(contender="exported", baseline="eager", **changes):
    record = OverallRecord(
        contender=contender,
        baseline=baseline,
        value=2.0,
        faster=1,
        slower=0,
        no_difference=0,
        jobs=1,
    )
    return replace(record, **changes)


def contender(name="eager", **changes):
    record = ContenderRecord(
        name=name,
        kind="eager",
        precision="fp32",
        device="cpu",
        threads=2,
        describe={"model": {"runtime": "torch"}},
        load_s=(0.5, 0.25),
        peak_rss_bytes=1024,
        skipped="",
    )
    return replace(record, **changes)


def left_out(name="engine tensorrt-fp16", why="no GPU"):
    return ContenderRecord(name=name, kind="", describe={}, skipped=why)


def roofline_row(contender="exported", **changes):
    record = RooflineRow(
        contender=contender,
        job="model batch=1",
        uncounted=0,
        measured_ms=1.0,
        share=0.25,
        peaks=PeaksRecord(flops=2e11, bytes=1e11, precision="fp32", working_set_bytes=4096),
        flops=1e6,
        bytes=2e6,
        limit_ms=0.25,
        constructs=(
            ConstructLimit(
                construct="linear",
                flops=1e6,
                bytes=2e6,
                limit_ms=0.25,
                bound="memory",
                measured_ms=0.75,
            ),
        ),
    )
    return replace(record, **changes)


def perf_result(**changes):
    record = PerfResult(
        passed=True,
        gate=(),
        ratios=(ratio(),),
        overall=(overall_ratio(),),
        plan=ScheduleRecord(
            sessions=6,
            rounds=5,
            turn_s=0.04,
            fewest=1,
            most=100,
            quiet_s=0.1,
            limit_s=90.0,
            sessions_asked=6,
        ),
        threads=2,
        jobs=(JobRecord(name="model batch=1", part="model", sizes={"batch": 1}, tokens=None),),
        contenders=(contender(), contender("exported", kind="ort")),
        results=(timing(), timing("exported", 1.0)),
        roofline=(),
        warnings=(),
    )
    return replace(record, **changes)


def perf_record(**changes):
    record = PerfRecord(file="perf/perf.json", **vars(perf_result()))
    return replace(record, **changes)


FULL_PARITY = parity_result(
    candidate(),
    candidate(name="engine", passed=None, skipped="no GPU", describe={}, outputs=(), checks=()),
    candidate(passed=False, outputs=(output(usage=None, noise=None, kappa=None, passed=False),)),
    generation=generation(),
    bisect=(departure(),),
    notes=("said",),
)
FULL_PERF = perf_result(
    gate=("too slow",),
    contenders=(contender(), left_out()),
    results=(timing(tokens_per_s=8.0),),
    roofline=(roofline_row(),),
    warnings=("busy",),
    ratios=(ratio(high=None),),
)
JUDGED = {
    "parity result": FULL_PARITY,
    "parity": parity_record(generation=(generation_summary(),), notes=("said",)),
    "parity of files": parity_record(file=None, result=FULL_PARITY),
    "parity by a tolerance": parity_result(rule=ParityRule(absolute=0.5, relative=0.0)),
    "perf result": FULL_PERF,
    "perf": perf_record(results=(timing(samples=None),)),
    "perf of files": PerfRecord(**vars(FULL_PERF), result=FULL_PERF),
}
