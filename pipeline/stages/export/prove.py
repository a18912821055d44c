"""Does the exported file compute what the module computes, at sizes it was not traced with?

Every size takes at least two values other than the traced one, its smallest included (a past of
0, a batch of 1). A size an exporter turned into a constant shows as a failure of the run, a wrong
shape or a wrong value, and is then named by varying one size at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadModelError, ExportError, ValueBranchError, first_line
from pipeline.ort import runtime_installed
from pipeline.ort.settings import SessionSettings
from pipeline.stages.export.exporters import plain_kernels
from pipeline.stages.export.parts import ExportPart, evaluate, example_sizes, resized

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

Run = Callable[[Mapping[str, "np.ndarray"]], "dict[str, np.ndarray]"]

Change = Callable[[Mapping[str, "Tensor"]], "dict[str, Tensor]"]

# Largest difference allowed, as a share of the largest reference value. A wrong size, mask or
# position gives differences near 1; rounding over some tens of layers stays below these. The
# parity stage measures precision, this only catches a graph that computes something else.
TOLERANCE = {"float64": 1e-3, "float32": 1e-3, "float16": 3e-2, "bfloat16": 1e-1}


@dataclass(frozen=True)
class Probe:
    """What PyTorch computes at one choice of sizes.

    Attributes:
        sizes: By name.
        inputs: What it is given.
        outputs: What it returns.
        of: What the probe is about: `sizes`, or `values` where those differ from the example's.
        rule: For sizes beyond a boundary: what holds for every size up to there.
        proven: Likewise, the range that holds.
    """

    sizes: dict[str, int]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    of: str = "sizes"
    rule: str = ""
    proven: str = ""


def probe_sizes(part: ExportPart) -> list[dict[str, int]]:
    """Return three choices of sizes; each size is at its smallest in one and differs in two more.

    Neighbouring sizes take turns at their smallest, so that a long prompt over no past and one
    token over a long past both occur.
    """
    traced = example_sizes(part)
    larger = {n: min(s + 3 + 2 * i, part.dims[n].max) for i, (n, s) in enumerate(traced.items())}
    other = {n: min(s + 1 + i, part.dims[n].max) for i, (n, s) in enumerate(traced.items())}
    least = {n: limits.min for n, limits in part.dims.items()}
    even = {n: least[n] if i % 2 == 0 else other[n] for i, n in enumerate(traced)}
    odd = {n: least[n] if i % 2 == 1 else other[n] for i, n in enumerate(traced)}
    return [larger, even, odd] if traced else [{}]


def compute_probe(
    part: ExportPart, sizes: Mapping[str, int], change: Change | None = None
) -> Probe:
    """Return the module's own outputs at these sizes, on the example's values or changed ones.

    Raises:
        ExportError: The module itself fails there.
    """
    inputs = resized(part, sizes)
    if change is not None:
        inputs = change(inputs)
    try:
        with plain_kernels():
            outputs = part.module(*inputs.values())
    except Exception as err:
        raise ExportError(
            f"PyTorch itself fails at {show(sizes)}: {type(err).__name__}: {first_line(err)}",
            where=f"part {part.name}",
            fix="declare only the axes that may change, with ranges the model accepts",
        ) from err
    return Probe(dict(sizes), inputs, dict(zip(part.outputs, outputs, strict=True)))


def output_shapes(part: ExportPart, probes: list[Probe]) -> dict[str, list[int | str]]:
    """Return output name -> numbers, size names and sums, read off the shapes of the probes.

    An axis that changes and follows no size gets a name of its own.
    """
    names = list(part.dims)
    sums = {e for axes in part.axes.values() for e in axes.values()}
    sums |= {f"{b} + {a}" for i, a in enumerate(names) for b in names[i + 1 :]}
    candidates = names + sorted(sums - set(names))
    found: dict[str, list[int | str]] = {}
    for output in part.outputs:
        shapes = [probe.outputs[output].shape for probe in probes]
        found[output] = [
            lengths[0]
            if len(set(lengths)) == 1
            else next(
                (c for c in candidates if [evaluate(c, p.sizes) for p in probes] == [*lengths]),
                f"{output}_{axis}",
            )
            for axis, lengths in enumerate(zip(*shapes, strict=True))
        ]
    return found


def prove_part(path: Path, part: ExportPart, probes: list[Probe]) -> float:
    """Run the file on every probe and return the largest difference, relative to the reference.

    Raises:
        ExportError: The file does not load, or a run fails or differs; the size at fault is named.
    """
    try:
        run = open_graph(path, _dtype(part))
    except BadModelError as err:
        raise ExportError(
            f"the exported graph does not load: {err.what}",
            where=f"part {part.name}",
            fix="try the other exporter; report the model if both fail",
        ) from err
    worst = 0.0
    for probe in probes:
        worst_here, problem = _check(run, probe, part)
        if problem:
            raise _explain(run, part, probe, problem)
        worst = max(worst, worst_here)
    return worst


def _check(run: Run, probe: Probe, part: ExportPart) -> tuple[float, str]:
    """Return the largest relative difference, and what is wrong, empty when nothing is."""
    try:
        got = run({name: to_numpy(tensor) for name, tensor in probe.inputs.items()})
    except Exception as err:
        return 0.0, f"the graph does not run ({first_line(err)})"
    worst = 0.0
    for name, wanted in probe.outputs.items():
        shape, expected = list(got[name].shape), list(wanted.shape)
        if shape != expected:
            return 0.0, f"output {name} has shape {shape} instead of {expected}"
        off = difference(got[name], wanted)
        if not off <= tolerance(wanted.dtype):
            return 0.0, f"output {name} is off by {off:.2g} of its largest value"
        worst = max(worst, off)
    return worst, ""


def tolerance(dtype: torch.dtype) -> float:
    """Return the largest difference allowed for values of this type; none for whole numbers."""
    return TOLERANCE.get(str(dtype).removeprefix("torch."), 0.0)


def difference(got: np.ndarray, wanted: Tensor) -> float:
    """Return max |got - wanted| / max |wanted|; NaN and inf must stand at the same places."""
    import numpy as np

    a, b = got.astype(np.float64), to_numpy(wanted).astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = float(np.abs(b[finite]).max()) or 1.0
    return float(np.abs(a[finite] - b[finite]).max()) / scale


def _explain(run: Run, part: ExportPart, probe: Probe, problem: str) -> ExportError:
    """Return the error that names the size at fault, found by changing one at a time."""
    base = example_sizes(part)
    where = f"part {part.name}, at {show(probe.sizes)}"
    if probe.rule:
        return ExportError(
            f"the graph holds where {probe.rule}, and not beyond: {problem}",
            where=where,
            fix=f"declare {probe.proven}, which is proven; or make forward() do one thing there",
        )
    if probe.of == "values":
        return ValueBranchError(
            f"forward() decides by values, and the graph holds one way alone: {problem}",
            where=where,
            fix="write the decision with torch.where or torch.cond, so that both ways are exported",
        )
    if _check(run, compute_probe(part, base), part)[1]:
        return ExportError(
            f"the exported graph does not compute what PyTorch does: {problem}",
            where=where,
            fix="try the other exporter, or --kv-cache none; report the model if both fail",
        )
    guilty = []
    for name, size in probe.sizes.items():
        if size != base[name]:
            alone = compute_probe(part, {**base, name: size})
            if _check(run, alone, part)[1]:
                guilty.append(f"{name} (traced at {base[name]}, fails at {size})")
    named = ", ".join(guilty) or "a combination of " + ", ".join(probe.sizes)
    return ExportError(
        f"the exporter baked in the size {named}: {problem}",
        where=where,
        fix="avoid Python numbers taken from shapes in forward(), or leave that axis static",
    )


def open_graph(path: Path, dtype: str) -> Run:
    """Return a function that runs the file: ONNX Runtime as it stands, else the judge.

    ONNX Runtime's own rewrites are off: the file is on trial, not they. Weights stay mapped.
    """
    if not runtime_installed() or dtype == "bfloat16":  # its CPU has hardly a bfloat16 kernel
        return _judge(path)
    from pipeline.ort.errors import MissingKernelError
    from pipeline.ort.session import OrtOptions, Session

    plain = SessionSettings()
    options = OrtOptions(level="none", settings=plain, check_assignment=False, lean=True)
    try:
        session = Session(path, options)
    except MissingKernelError:  # an operator newer than the runtime
        return _judge(path)
    return lambda feeds: session.run({n: a for n, a in feeds.items() if n in session.input_types})


def _judge(path: Path) -> Run:
    from pipeline.judge import Judge

    judge = Judge(path, "declared")

    def run(feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: to_numpy(value) for name, value in judge.run(feeds).items()}

    return run


def to_numpy(tensor: Tensor) -> np.ndarray:
    """Return the tensor's values; bfloat16 as ml_dtypes' type."""
    import torch

    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        bits: np.ndarray = tensor.contiguous().view(torch.uint16).numpy()
        return bits.view(ml_dtypes.bfloat16)
    array: np.ndarray = tensor.numpy()
    return array


def _dtype(part: ExportPart) -> str:
    for parameter in part.module.parameters():
        if parameter.is_floating_point():
            return str(parameter.dtype).removeprefix("torch.")
    return "float32"


def show(sizes: Mapping[str, int]) -> str:
    """Return sizes as text: batch=2, seq=7."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items()) or "fixed sizes"
