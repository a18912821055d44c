"""A smaller graph that fails the same way, found by polygraphy's bisection.

Each candidate is parsed and built by our own worker in its own process, so that crashes count as
failures too. Building is the check; what fails must fail with the same cause.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from pipeline.builder.blame import failure_of
from pipeline.builder.request import PlanRequest
from pipeline.errors import BuildError, EnvironmentMissingError
from pipeline.types import SILENT, Progress

_POLYGRAPHY = "import sys; from polygraphy.tools import main; sys.exit(main())"
_CANDIDATE = "polygraphy_debug.onnx"
_HOLDS, _FAILS = 0, 1


def reduce_failure(
    request: PlanRequest, output: Path, scratch: Path, progress: Progress = SILENT
) -> Path:
    """Return `output`, holding the smallest graph found that fails as `request` does.

    Args:
        request: The build that failed.
        output: Where to write the reduced graph.
        scratch: A folder for candidates; it is left as polygraphy leaves it.
        progress: Hears what is being done.

    Raises:
        BuildError: The build does not fail, or nothing smaller fails.
        EnvironmentMissingError: polygraphy is not installed.
    """
    cause = failure_of(request)
    if not cause:
        raise BuildError("there is nothing to reduce: this graph builds", where=str(request.onnx))
    (scratch / "request.json").write_text(request.to_json())
    (scratch / "cause.txt").write_text(cause)
    progress.step(f"reducing the graph that fails with: {cause}")
    check = [sys.executable, "-m", "pipeline.stages.build_engine.reduce", str(scratch)]
    command = [sys.executable, "-c", _POLYGRAPHY, "debug", "reduce", str(request.onnx.resolve()),
               "--external-data-dir", str(request.onnx.resolve().parent), "--no-reduce-inputs",
               "--mode=bisect", "-o", str(output.resolve()), "--check", *check]  # fmt: skip
    if importlib.util.find_spec("polygraphy") is None:
        raise EnvironmentMissingError("polygraphy is not installed", fix="pip install polygraphy")
    paths = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, env=environment)
    if done.returncode or not output.is_file():
        raise BuildError(
            "no smaller graph fails in the same way",
            where=str(request.onnx),
            fix=(done.stderr or done.stdout).strip()[-300:],
        )
    return output


def check(scratch: Path) -> int:
    """Return 1 when the candidate in the current folder fails as the original did, else 0."""
    request = PlanRequest.from_json((scratch / "request.json").read_text())
    candidate = replace(request, onnx=Path(_CANDIDATE).resolve(), plan=scratch / "candidate.plan")
    same = failure_of(candidate) == (scratch / "cause.txt").read_text()
    return _FAILS if same else _HOLDS


if __name__ == "__main__":
    sys.exit(check(Path(sys.argv[1])))
