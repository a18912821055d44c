"""The building child: what it says on its channel, and that short writes are noticed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from pipeline.builder import worker
from pipeline.builder.request import PlanRequest
from pipeline.builder.shapes import ShapeRange
from tests.pipeline.builder import small

rtx = pytest.importorskip("tensorrt_rtx")


def carried_out(path, **options):
    """Return the exit code of a child and its lines, by event."""
    task = options.pop("task", "build")
    options.setdefault("targets", ("8.0",))
    request = PlanRequest(task, "tensorrt-rtx", path, path.with_suffix(".plan"), **options)
    file = path.with_suffix(".json")
    file.write_text(request.to_json())
    child = subprocess.run(
        [sys.executable, "-m", worker.__name__, str(file)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    return child.returncode, [json.loads(line) for line in child.stdout.splitlines()]


def only(said, event):
    return [line for line in said if line["event"] == event]


def test_a_build_is_told_from_the_version_to_the_end(tmp_path):
    path = small.attention(tmp_path / "m.onnx", q=("b", 2, 8, 16))
    ranges = {n: ShapeRange((1, 2, 8, 16), (2, 2, 8, 16), (4, 2, 8, 16)) for n in "qkv"}
    code, said = carried_out(path, profiles=(ranges,))
    assert code == 0
    assert [said[0]["event"], said[-1]["event"]] == ["version", "end"]
    assert said[0]["version"] == rtx.__version__
    assert said[-1]["done"] is True
    assert said[-1]["peak_rss_bytes"] > 20 << 20
    (network,) = only(said, "network")
    assert [t["name"] for t in network["inputs"]] == ["q", "k", "v"]
    assert [a["name"] for a in network["attention"]] == ["att"]
    (built,) = only(said, "built")
    assert built["bytes_written"] == path.with_suffix(".plan").stat().st_size > 0
    assert only(said, "phase")


def test_a_probe_answers_and_writes_nothing(tmp_path):
    code, said = carried_out(small.attention(tmp_path / "m.onnx"), task="probe")
    assert code == 0
    assert [line["dedicated"] for line in only(said, "attention")] == [True]
    assert not (tmp_path / "m.plan").exists()


def test_what_the_parser_refuses_is_a_row_and_no_plan(tmp_path):
    code, said = carried_out(small.attention(tmp_path / "m.onnx", softcap=3.0))
    assert code == 1
    assert only(said, "failed") == [{"event": "failed", "at": "parse", "why": ""}]
    assert only(said, "parser")[0]["operator"] == "Attention"
    assert said[-1]["done"] is False
    assert not (tmp_path / "m.plan").exists()


def test_a_profile_that_is_refused(tmp_path):
    path = small.matmul(tmp_path / "m.onnx", "fp16", ("b", 16))
    code, said = carried_out(path, profiles=({"x": ShapeRange((4, 16), (2, 16), (1, 16))},))
    assert code == 1
    assert [line["at"] for line in only(said, "failed")] == ["profile"]


class Config:
    """Notes what it is told."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *words, **named: self.told.append((name, *words, *named.values())) or 0


TRT = SimpleNamespace(
    BuilderFlag=SimpleNamespace(TF32="tf32", WEIGHT_STREAMING="streaming"),
    MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
    ProfilingVerbosity=SimpleNamespace(LAYER_NAMES_ONLY="names", DETAILED="detailed"),
)
OPTIONS = {
    "as it is": ({}, [("clear_flag", "tf32")]),
    "tf32": ({"tf32": True}, []),
    "streaming": (
        {"weight_streaming": True}, [("clear_flag", "tf32"), ("set_flag", "streaming")]
    ),
    "workspace": (
        {"workspace_bytes": 5},
        [("clear_flag", "tf32"), ("set_memory_pool_limit", "workspace", 5)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_options_reach_the_configuration(name, tmp_path):
    options, told = OPTIONS[name]
    request = PlanRequest("build", "tensorrt", tmp_path / "m", tmp_path / "p", **options)
    config = worker.configure(TRT, SimpleNamespace(create_builder_config=Config), request)
    assert config.told == told
    assert config.profiling_verbosity == "names"
    assert "builder_optimization_level" not in vars(config)


def test_level_verbosity_and_the_timing_cache_are_set(tmp_path):
    cache = tmp_path / "timing"
    made = Config()
    request = PlanRequest(
        "build", "tensorrt", tmp_path / "m", tmp_path / "p", tf32=True, level=4,
        verbosity="detailed", timing_cache=cache,
    )  # fmt: skip
    config = worker.configure(TRT, SimpleNamespace(create_builder_config=lambda: made), request)
    assert (config.builder_optimization_level, config.profiling_verbosity) == (4, "detailed")
    cache.write_bytes(b"old times")
    assert made.told == [("create_timing_cache", b""), ("set_timing_cache", 0, False)]
    made.told.clear()
    worker.configure(TRT, SimpleNamespace(create_builder_config=lambda: made), request)
    assert made.told[0] == ("create_timing_cache", b"old times")


@pytest.fixture
def writer(tmp_path):
    file = (tmp_path / "plan").open("wb")
    yield worker._writer(rtx, file.fileno()), tmp_path / "plan"
    file.close()


def test_bytes_that_arrived_are_counted_through_short_writes(writer, monkeypatch):
    made, path = writer
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    assert made.write(b"0123456789") == 10
    assert (made.written, made.broken, path.read_bytes()) == (10, "", b"0123456789")


def test_a_disk_that_fills_up_breaks_it_for_good(writer, monkeypatch):
    made, _path = writer
    calls = []

    def full(fd, data):
        calls.append(len(data))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert made.write(b"0123") == 4, "the builder takes no for an answer badly"
    assert made.write(b"4567") == 4
    assert (made.written, made.broken, calls) == (0, "No space left on device", [4])


def test_steps_are_told_ten_times_a_second_and_a_cancelled_build_stops(monkeypatch):
    said, now = [], [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    cancelled = SimpleNamespace(now=False)
    monitor = worker._monitor(rtx, lambda event, data: said.append((event, data)), cancelled)
    monitor.phase_start("tactics", None, 50)
    for step in range(20):
        now[0] += 0.03
        assert monitor.step_complete("tactics", step)
    assert said[0] == ("phase", {"phase": "tactics", "parent": "", "steps": 50})
    steps = [data for event, data in said if event == "step"]
    assert 5 <= len(steps) <= 6
    assert steps[0] == {"phase": "tactics", "step": 1, "steps": 50}
    cancelled.now = True
    assert not monitor.step_complete("tactics", 21)


def test_a_signal_cancels():
    before = signal.getsignal(signal.SIGTERM)
    try:
        cancelled = worker.Cancelled()
        assert not cancelled.now
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert cancelled.now
    finally:
        signal.signal(signal.SIGTERM, before)


def test_errors_are_kept_and_verbose_lines_are_not_passed_on():
    said = []
    logger = worker._logger(rtx, lambda event, data: said.append(data))
    for severity in ("ERROR", "WARNING", "VERBOSE", "INTERNAL_ERROR"):
        logger.log(getattr(rtx.ILogger, severity), severity)
    assert logger.errors == ["ERROR", "INTERNAL_ERROR"]
    assert [line["severity"] for line in said] == ["ERROR", "WARNING", "INTERNAL_ERROR"]
