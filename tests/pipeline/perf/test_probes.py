import pytest

from pipeline.perf.probes import best_s, measure_peaks


def test_peaks_are_plausible():
    peaks = measure_peaks("fp32", "cpu", 1, 1 << 20)
    assert 1e8 < peaks.flops < 1e15
    assert 1e8 < peaks.bytes < 1e14
    assert peaks.working_set_bytes == 1 << 20


def test_the_best_of_several_counts(monkeypatch):
    monkeypatch.setattr("pipeline.perf.probes.BUDGET_S", 0.0)
    ticks = iter([0.0, 5.0, 5.0, 7.0, 7.0, 11.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    assert best_s(lambda: None, lambda: None) == pytest.approx(2.0)
