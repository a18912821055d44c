"""The summary that scripts look for."""

from pipeline.report.trtexec import summary_text
from tests.pipeline.report.cells import told


def test_trtexec_words(data):
    text = summary_text(told(data).perf)
    assert "Throughput: 1000 qps" in text
    assert "percentile(99%) = 1.2 ms" in text
    assert "first" not in text


def test_one_summary_per_whole_call_of_each_contender(data):
    text = summary_text(told(data).perf)
    whole = [row for row in data["perf"]["results"] if not row["series"]]
    assert text.count("=== Performance summary: ") == len(whole) == 6
    assert "=== Performance summary: eager, generation ===\nThroughput: 12.5 qps" in text
    assert "Latency: min = 3.6 ms, max = 5.2 ms, mean = 4 ms, median = 4 ms" in text
    assert "Total Host Walltime: 0.036 s" in text
