"""Second moments of what enters products, summed over a calibration that is run in parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import onnx_ir as ir
import torch

from pipeline.judge import Judge

ROWS = 8  # of the batch at a time


def moments_of(
    graph: ir.Graph, names: Collection[str], inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return, by value, the sum of x x^T over its rows x: float32 [K, K].

    What is held grows with K, not with the calibration.

    Args:
        graph: The main graph, sorted.
        names: Values to watch, each [..., K].
        inputs: All inputs of the graph, by name.

    Raises:
        UsageError: The inputs do not fit the graph.
    """
    sums: dict[str, torch.Tensor] = {}

    def watch(name: str, value: torch.Tensor) -> None:
        if name in names and value.numel():
            rows = value.float().reshape(-1, value.shape[-1])
            made = rows.T @ rows
            sums[name] = sums[name] + made if name in sums else made

    judge = Judge(ir.Model(graph, ir_version=10), "float32")
    for part in parts(inputs):
        judge.run(part, observe=watch)
    return {name: value.numpy() for name, value in sums.items()}


def parts(inputs: Mapping[str, np.ndarray]) -> Iterator[Mapping[str, np.ndarray]]:
    """Yield the inputs a few rows at a time; whole where they share no batch."""
    sizes = {array.shape[0] if array.ndim else 0 for array in inputs.values()}
    rows = sizes.pop() if len(sizes) == 1 else 0
    if rows <= ROWS:
        yield inputs
        return
    for start in range(0, rows, ROWS):
        yield {name: array[start : start + ROWS] for name, array in inputs.items()}
