"""A log holds every step once, and of a long one where it has got to from time to time."""

import threading
import time

import pytest

from pipeline.cli import lines as subject
from pipeline.cli.lines import Lines


@pytest.fixture
def written(monkeypatch):
    monkeypatch.setattr(subject, "INTERVAL_S", 0.2)
    return []


def test_every_step_has_its_line_at_once(written):
    lines = Lines(written.append)
    for text in ("reading", "normalising", "packing: layers.0", "attention: layers.0"):
        lines.show(text)
    assert written == ["reading", "normalising", "packing: layers.0", "attention: layers.0"]


def test_a_builder_that_reports_without_pause_gets_one_line_per_interval(written):
    lines, start = Lines(written.append), time.monotonic()
    calls = 0
    while time.monotonic() - start < 0.7:
        lines.show(f"building: phase {calls}", f" {calls}/99")
        calls += 1
    lines.stop()
    assert calls > 100
    assert 2 <= len(written) <= 5
    assert written[0] == "building: phase 0 0/99"


def test_what_came_too_early_is_written_when_its_time_has_come(written):
    lines = Lines(written.append)
    for name in ("exported", "ort-cpu", "engine"):
        lines.show(f"model: {name}")
    assert written == ["model: exported"]
    time.sleep(0.4)
    assert written == ["model: exported", "model: engine"]


def test_what_is_over_is_not_written_later(written):
    lines = Lines(written.append)
    lines.show("model: first")
    lines.show("model: second")
    lines.show("report")
    time.sleep(0.3)
    lines.show("report: a")
    lines.show("report: b")
    lines.stop()
    time.sleep(0.3)
    assert written == ["model: first", "report", "report: a"]


def test_a_step_after_a_stop_is_a_new_one(written):
    lines = Lines(written.append)
    for _ in range(2):
        lines.show("model: reading")
        lines.stop()
    assert written == ["model: reading"] * 2


def test_a_step_that_goes_on_says_so_once(written):
    lines = Lines(written.append)
    for _ in range(3):
        lines.show("loading")
    time.sleep(0.3)
    lines.show("loading")
    assert written == ["loading"]
    assert not any(isinstance(t, threading.Timer) for t in threading.enumerate())
