"""What rounding a product's input as a whole would cost, seen on inputs of the whole graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import onnx_ir as ir
import torch

from pipeline.errors import PipelineError
from pipeline.inputs import InputMaker
from pipeline.judge import Judge


def rounding_noise(
    graph: ir.Graph, names: Collection[str], given: Mapping[str, np.ndarray] | None = None
) -> dict[str, float]:
    """Return, by value, the error of rounding it to 8 bits with one scale, over a typical row.

    The error is a step over the square root of 12; the size of a row its root mean square, of
    which the median over all rows counts. The worst of the runs is returned; values that no run
    made are missing.

    Args:
        graph: The main graph, sorted.
        names: Values to watch.
        given: Inputs by name; without those that the graph needs some are made up.
    """
    model = ir.Model(graph, ir_version=10)
    found: dict[str, float] = {}

    def watch(name: str, value: torch.Tensor) -> None:
        if name in names and value.numel():
            found[name] = max(found.get(name, 0.0), _noise(value))

    try:
        wanted = {value.name for value in graph.inputs if value.name not in graph.initializers}
        fits = given is not None and wanted <= given.keys()
        runs = [given] if given is not None and fits else _made_up(model)
        judge = Judge(model, "float32")
        for feeds in runs:
            judge.run(feeds, observe=watch)
    except PipelineError:  # inputs nobody can make up: then nothing is known
        return found
    return found


def _made_up(model: ir.Model) -> Sequence[Mapping[str, np.ndarray]]:
    maker = InputMaker(model)
    return [maker.make(maker.dims(variant), variant, "plain") for variant in (0, 1)]


def _noise(value: torch.Tensor) -> float:
    low, high = torch.aminmax(value.float())
    step = (max(float(high), 0.0) - min(float(low), 0.0)) / 255
    sizes = value.float().reshape(-1, value.shape[-1]).square().mean(dim=1).sqrt()
    typical = float(sizes.median())
    return step / 12**0.5 / typical if typical else (float("inf") if step else 0.0)
