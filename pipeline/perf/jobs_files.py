"""What is timed when files are named: the graph's own sizes, without an export's ranges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.graph.files.model_file import load_model
from pipeline.inputs import choose_dims
from pipeline.perf.contender import Job
from pipeline.perf.jobs import TYPICAL, part_jobs


def file_jobs(
    files: Sequence[Path], part: str, batches: Sequence[int], lengths: Sequence[int], folder: Path
) -> list[Job]:
    """Return the jobs for a graph from anyone, inputs synthesised from the first graph.

    The first axis of the inputs is the batch; every other named size is a length, an empty past
    stays empty.

    Raises:
        UsageError: there is no graph among the files to make inputs from.
    """
    graph = next((path for path in files if path.suffix == ".onnx"), None)
    if graph is None:
        raise UsageError(
            "engines alone do not say what their inputs mean",
            where=str(files[0]),
            fix="name the ONNX graph as well",
        )
    model = load_model(graph)
    known = choose_dims(model)
    first = {
        dim.value
        for value in model.graph.inputs
        for axis, dim in enumerate(value.shape or ())
        if axis == 0 and not isinstance(dim, int)
    }
    plans: list[tuple[str, dict[str, int]]] = []
    for batch in batches:
        for length in lengths or (TYPICAL,):
            sizes = {n: batch if n in first else 0 if "past" in n else length for n in known}
            if ("", sizes) not in plans:
                plans.append(("", sizes))
    return part_jobs(part, model, plans, folder)
