import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.builder.eta import Estimate
from pipeline.builder.request import PlanRequest
from pipeline.builder.supervise import run_child
from pipeline.errors import BuildError
from pipeline.types import SILENT
from tests.pipeline.builder import small

pytest.importorskip("tensorrt_rtx")


class Screen:
    def __init__(self):
        self.steps = []

    def step(self, text, done=None, total=None):
        self.steps.append((text, done, total))

    def note(self, text):
        pass


def request(tmp_path, **options):
    path = small.matmul(tmp_path / "m.onnx")
    plan = tmp_path / "m.plan"
    return PlanRequest("build", "tensorrt-rtx", path, plan, ("8.0",), **options)


def test_phases_and_the_estimate_reach_the_screen(tmp_path):
    screen = Screen()
    outcome = run_child(request(tmp_path), screen, 60, Estimate(100.0, 3))
    assert outcome.good
    assert outcome.heard.bytes_written == (tmp_path / "m.plan").stat().st_size > 0
    assert 50 << 20 < outcome.heard.peak_rss_bytes < 2 << 30
    assert any("Building engine" in text for text, _done, _total in screen.steps)
    assert all(
        "s left, from 3 earlier" in text and total == 100 for text, _d, total in screen.steps
    )


def test_the_time_limit(tmp_path):
    started = time.monotonic()
    with pytest.raises(BuildError, match=r"limit is 0\.05 s"):
        run_child(request(tmp_path), SILENT, 0.05)
    assert time.monotonic() - started < 10


def test_a_full_disk_is_noticed_though_the_builder_does_not(tmp_path):
    outcome = run_child(replace(request(tmp_path), plan=Path("/dev/full")), SILENT, 60)
    assert not outcome.good
    assert outcome.heard.failed_at == "write"
    assert "No space left" in outcome.heard.failure


SCRIPT = """
import sys
from pathlib import Path
from pipeline.builder.request import PlanRequest
from pipeline.builder.supervise import run_child
from pipeline.types import SILENT
class Screen:
    def step(self, text, done=None, total=None):
        print("step", flush=True)
run_child(PlanRequest.from_json(Path(sys.argv[1]).read_text()), Screen(), 60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_the_child_goes_with_its_parent(number, tmp_path):
    (tmp_path / "r.json").write_text(request(tmp_path).to_json())
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "r.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert children
    parent.send_signal(number)
    parent.wait(20)
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(_alive(int(pid)) for pid in children):
        assert time.monotonic() < deadline, "the building child outlived its parent"
        time.sleep(0.05)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
