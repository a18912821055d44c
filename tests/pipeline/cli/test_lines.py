"""A log holds every step once, and of a long one where it has got to from time to time."""

import pytest

from pipeline.cli import lines as subject
from pipeline.cli.lines import INTERVAL_S, Lines


class Clock:
    """Time that passes when the test says so, and timers that ring then."""

    def __init__(self):
        self.now, self.timers = 100.0, []

    def monotonic(self):
        return self.now

    def Timer(self, wait, function):
        timer = Timer(self.now + wait, function)
        self.timers.append(timer)
        return timer

    def pass_by(self, seconds):
        self.now += seconds
        for timer in self.timers:
            if timer.waits and timer.due <= self.now:
                timer.waits = False
                timer.function()


class Timer:
    def __init__(self, due, function):
        self.due, self.function, self.waits = due, function, False

    def start(self):
        self.waits = True

    def cancel(self):
        self.waits = False


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(subject.time, "monotonic", made.monotonic)
    monkeypatch.setattr(subject.threading, "Timer", made.Timer)
    return made


def test_every_step_has_its_line_at_once(clock):
    written = []
    lines = Lines(written.append)
    for text in ("reading", "normalising", "packing: layers.0", "attention: layers.0"):
        lines.show(text)
    assert written == ["reading", "normalising", "packing: layers.0", "attention: layers.0"]


def test_a_builder_that_reports_without_pause_gets_one_line_per_interval(clock):
    written = []
    lines = Lines(written.append)
    for call in range(1000):
        lines.show(f"building: phase {call}", f" {call}/1000")
        clock.pass_by(3.5 * INTERVAL_S / 1000)
    lines.stop()
    assert written[0] == "building: phase 0 0/1000"
    assert len(written) == 4


def test_what_came_too_early_is_written_when_its_time_has_come(clock):
    written = []
    lines = Lines(written.append)
    for name in ("exported", "ort-cpu", "engine"):
        lines.show(f"model: {name}")
    assert written == ["model: exported"]
    clock.pass_by(INTERVAL_S)
    assert written == ["model: exported", "model: engine"]


def test_what_is_over_is_not_written_later(clock):
    written = []
    lines = Lines(written.append)
    lines.show("model: first")
    lines.show("model: second")
    lines.show("report")
    clock.pass_by(2 * INTERVAL_S)
    lines.show("report: a")
    lines.show("report: b")
    lines.stop()
    clock.pass_by(2 * INTERVAL_S)
    assert written == ["model: first", "report", "report: a"]


def test_a_step_after_a_stop_is_a_new_one(clock):
    written = []
    lines = Lines(written.append)
    for _ in range(2):
        lines.show("model: reading")
        lines.stop()
    assert written == ["model: reading"] * 2


def test_a_step_that_goes_on_says_so_once(clock):
    written = []
    lines = Lines(written.append)
    for _ in range(3):
        lines.show("loading")
        clock.pass_by(2 * INTERVAL_S)
    assert written == ["loading"]
