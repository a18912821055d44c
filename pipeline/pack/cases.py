"""Inputs for a bundle, what they must give in float64, and how far each precision may be off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir
import torch

from pipeline.accuracy import Errors, compare, magnitude
from pipeline.errors import BadModelError
from pipeline.inputs import InputMaker, Style
from pipeline.judge.interpreter import Judge
from pipeline.parity.budget import ULP, budget_for
from pipeline.parity.ways import output_units
from pipeline.records.bundle import ErrorLimits, PackedCase

_STYLES: tuple[Style, ...] = ("plain", "padded", "plain")
_JUDGES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def write_cases(
    model: ir.Model, part: str, count: int, seed: int, precisions: Iterable[str], folder: Path
) -> tuple[PackedCase, ...]:
    """Write inputs and float64 outputs under `folder/cases`; return what they are.

    The limits are the budget of `pipeline parity`, with what rounding every step to the precision
    costs on the same inputs as the noise.

    Raises:
        BadModelError: The graph gives NaN everywhere: nothing could be compared.
    """
    maker = InputMaker(model)
    reference = Judge(model, "float64")
    units = output_units(model)
    cases: list[PackedCase] = []
    (folder / "cases").mkdir(exist_ok=True)
    for index in range(count):
        style = _STYLES[index % len(_STYLES)]
        feeds = maker.make(maker.dims(index), seed + index, style)
        wanted = _arrays(reference.run(feeds))
        if not any(np.isfinite(array).any() for array in wanted.values()):
            raise BadModelError(f"{part}: every output is NaN in float64", where=f"case {index}")
        name = f"{part}-{index}"
        inputs, outputs = f"cases/{name}.inputs.npz", f"cases/{name}.outputs.npz"
        np.savez(folder / inputs, **feeds)  # type: ignore[arg-type]
        np.savez(folder / outputs, **wanted)  # type: ignore[arg-type]
        limits = {}
        for precision in sorted(set(precisions) & _JUDGES.keys()):
            found = _arrays(Judge(model, _JUDGES[precision]).run(feeds))
            limits[precision] = {
                name: _limits(found[name], wanted[name], precision, units[name]) for name in wanted
            }
        cases.append(
            PackedCase(name=name, style=style, inputs=inputs, outputs=outputs, limits=limits)
        )
    return tuple(cases)


def _arrays(tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {n: t.to(torch.float64).numpy() if t.is_floating_point() else t.numpy()
            for n, t in tensors.items()}  # fmt: skip


def _limits(found: np.ndarray, wanted: np.ndarray, precision: str, unit: float) -> ErrorLimits:
    """Return the largest rms, quantile and maximum allowed on one output."""
    noise, size = compare(found, wanted), magnitude(wanted)
    return ErrorLimits(**vars(budget_for(noise, Errors(), size, ULP[precision], unit=unit)))
