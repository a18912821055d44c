"""A warm run loads no framework: its time is start-up, hashes, and the graphs of its claims.

The report reads those graphs each time, since a manifest is not to be believed: so onnx, onnx_ir
and numpy are there, and nothing that is slower to load.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMEWORKS = {"torch", "onnxruntime", "transformers", "matplotlib", "onnxscript", "tokenizers"}
WORDS = ["run", "transformer-tiny", "--skip", "build-engine,perf"]
SCRIPT = """
import sys
from pipeline.cli.app import run
code = run(sys.argv[1:])
print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}))
sys.exit(code)
"""


@pytest.mark.slow
def test_a_second_run_reuses_everything_without_a_framework(tmp_path):
    words = [*WORDS, "-o", str(tmp_path / "out")]
    for expected in ("made", "reused"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        told = [line for line in done.stderr.splitlines() if f" {expected}" in line]
        assert len(told) == 5, done.stderr  # export, two targets, parity, report
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert loaded & FRAMEWORKS == set()
