import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from pipeline.errors import EnvironmentMissingError, UsageError
from pipeline.perf.clock import Schedule, measure
from pipeline.perf.contender import Contender, Job
from pipeline.perf.remote import RemoteWorker

TEXT = '<ir_version: 10, opset_import: ["" : 21]> g (float[n] x) => (float[n] y) { y = Neg(x) }'


@pytest.fixture
def job(tmp_path):
    onnx.save(parse_model(TEXT), tmp_path / "m.onnx")
    np.savez(tmp_path / "feeds.npz", x=np.ones(8, np.float32))
    return Job("one", "model", str(tmp_path / "feeds.npz"), {"n": 8})


def contender(tmp_path, name="plain", **fields):
    return Contender(name, "ort", {"model": str(tmp_path / "m.onnx")}, threads=1, **fields)


def test_two_processes_are_measured_and_end(tmp_path, job):
    workers = [RemoteWorker(contender(tmp_path, name), [job]) for name in "ab"]
    try:
        got = measure(workers, ["one"], Schedule(sessions=2, rounds=2, turn_s=0.001, quiet_s=0.0))
    finally:
        for worker in workers:
            worker.stop()
    assert [len(rounds) for rounds in got.times["b"]["one"]] == [2, 2]
    assert all(0 < ms < 100 for rounds in got.times["a"]["one"] for turn in rounds for ms in turn)
    assert workers[0].describe["model"]["provider"] == "CPUExecutionProvider"
    assert workers[0].describe["model"]["threads"] == "1"
    assert workers[0].peak_rss_bytes > 1e6
    assert len(workers[0].load_s) == 2
    assert workers[0]._process.returncode == 0


def test_errors_of_the_other_side_arrive_whole(tmp_path, job):
    worker = RemoteWorker(contender(tmp_path, device="cuda"), [job])
    try:
        with pytest.raises(EnvironmentMissingError, match="CUDA"):
            worker.open()
    finally:
        worker.stop()


def test_a_crash_is_told_with_the_last_words(tmp_path, job):
    worker = RemoteWorker(contender(tmp_path), [job])
    worker.open()
    with pytest.raises(UsageError, match=r"plain ended with code 1: KeyError: 'no such job'"):
        worker.time("no such job", 1)
    worker.stop()
