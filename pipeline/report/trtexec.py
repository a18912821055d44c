"""The summary in trtexec's words, for those whose scripts look for them."""

from __future__ import annotations

from pipeline.records.perf import PerfResult


def summary_text(result: PerfResult) -> str:
    """Return one performance summary per contender and job."""
    blocks = []
    for row in result.results:
        if row.series:
            continue
        latency = row.latency
        named = (("90", latency.p90), ("95", latency.p95), ("99", latency.p99))
        percentiles = ", ".join(f"percentile({name}%) = {ms:.5g} ms" for name, ms in named)
        blocks.append(
            f"=== Performance summary: {row.contender}, {row.job} ===\n"
            f"Throughput: {1e3 / latency.mean:.6g} qps\n"
            f"Latency: min = {latency.min:.5g} ms, max = {latency.max:.5g} ms, "
            f"mean = {latency.mean:.5g} ms, median = {latency.median:.5g} ms, {percentiles}\n"
            f"Total Host Walltime: {latency.mean * latency.calls / 1e3:.5g} s"
        )
    return "\n\n".join(blocks)
