import pytest

from pipeline.perf.clock import Samples
from pipeline.perf.contender import GenerationJob, Job
from pipeline.perf.result import latencies, machine_warnings, overall, ratios, round_medians
from pipeline.records.record import as_json

JOBS = [
    Job("a", "model", "", {"batch": 4}),
    Job("g", "", "", {"batch": 1}, GenerationJob(8, None, ())),
]


@pytest.fixture
def samples():
    made = Samples()
    for session in range(6):
        for turn in range(4):
            drift = 1 + 0.01 * turn + 0.003 * session
            for name, ms in (("eager", 8.0), ("exported", 4.0), ("ours", 2.0)):
                wobble = 1 + 0.002 * ((session * 7 + turn * 3) % 5)
                taken = [ms * drift * wobble, ms * drift]
                made.add(name, session, {"a": taken, "g": taken, "g/first": [ms / 2]})
    return made


def test_latencies_keep_samples_and_rates(samples):
    rows = latencies(samples, JOBS)
    assert len(rows) == 9
    first = next(row for row in rows if (row.contender, row.job) == ("eager", "a"))
    assert first.rows_per_s == pytest.approx(4 / first.latency.median * 1e3)
    assert len(first.samples) == 6
    text = next(row for row in rows if (row.contender, row.job) == ("ours", "g"))
    assert text.tokens_per_s == pytest.approx(8 / text.latency.median * 1e3)
    split = [row for row in rows if row.series == "first"]
    assert {row.job for row in split} == {"g"}
    assert as_json(rows)


def test_each_pair_is_compared_once(samples):
    rows = ratios(samples, JOBS, ("eager", "exported"))
    pairs = {(row.contender, row.baseline) for row in rows}
    assert pairs == {("exported", "eager"), ("ours", "eager"), ("ours", "exported")}
    assert all(row.verdict == "faster" for row in rows)
    ours = next(row for row in rows if (row.contender, row.baseline) == ("ours", "exported"))
    assert ours.low <= 2.0 <= ours.high
    mean = overall(rows, "ours", "eager")
    assert mean.value == pytest.approx(4.0, rel=0.02)
    assert (mean.faster, mean.jobs) == (2, 2)
    assert overall(rows, "eager", "ours") is None


def test_only_contenders_on_one_device_are_compared(samples):
    devices = {"eager": "cpu", "exported": "cpu", "ours": "cuda"}
    rows = ratios(samples, JOBS, ("eager", "exported"), devices)
    assert {(row.contender, row.baseline) for row in rows} == {("exported", "eager")}


def test_one_session_has_no_ends_in_json():
    made = Samples()
    for name in ("a", "b"):
        made.add(name, 0, {"a": [1.0, 1.1]})
    (row,) = ratios(made, JOBS[:1], ("a",))
    assert row.high is None
    assert as_json(row)


def test_round_medians():
    assert round_medians([[[3.0, 1.0, 2.0], [5.0]]]) == [[2.0, 5.0]]


def test_doubts_are_told():
    assert machine_warnings(6, 0.0) == []
    assert len(machine_warnings(2, 1e9)) == 2
