"""Further probes of a part: typical and largest sizes, other values, both sides of boundaries.

The sizes a part is first compared at are small. What an export promises is its whole range, so
each size is also taken to its end, as far as that costs little, and values change as well: a
branch on `mask.all()` or on a sum shows only there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.errors import ExportError
from pipeline.stages.export.boundaries import Boundary
from pipeline.stages.export.parts import ExportPart, example_sizes
from pipeline.stages.export.prove import Probe, compute_probe, show

if TYPE_CHECKING:
    from torch import Tensor

SECONDS = 3.0  # of PyTorch, for the probes at one size's end
FARTHEST = 120.0  # of PyTorch, at the worst, for a probe beyond a boundary


def compute_coverage(part: ExportPart, seconds: float = SECONDS) -> tuple[list[Probe], list[str]]:
    """Return probes at typical and largest sizes and on other values, and what was not reached.

    Args:
        part: What is exported.
        seconds: Sizes grow towards their end until a run of PyTorch takes a share of this.

    Returns:
        The probes, and a sentence for each size whose end was not reached.
    """
    found: list[Probe] = []
    missed: list[str] = []
    least = {name: limits.min for name, limits in part.dims.items()}
    start = max(example_sizes(part).values(), default=1)
    wanted = [{name: limits.opt for name, limits in part.dims.items()}]
    wanted += [{**least, name: limits.max} for name, limits in part.dims.items()]
    for name, sizes in zip(("", *part.dims), wanted, strict=True):
        if max(sizes.values(), default=0) <= start:
            continue
        probe, stopped = _grown(part, least, sizes, start, seconds)
        found += [probe] if probe is not None else []
        if name and stopped:
            reached = probe.sizes[name] if probe is not None else start
            missed.append(f"{name} was run up to {reached} of {sizes[name]}: {stopped}")
    return [*found, *other_values(part)], missed


def beyond(part: ExportPart, boundaries: Sequence[Boundary]) -> list[Probe]:
    """Return the probe at each boundary, save where PyTorch itself fails.

    Raises:
        ExportError: A boundary is too far to be run here, so that nothing is known beyond it.
    """
    spent = _timed(part, example_sizes(part))[1] if boundaries else 0.0
    traced = sum(example_sizes(part).values())
    found = []
    for boundary in boundaries:
        if spent * (sum(boundary.sizes.values()) / traced) ** 2 > FARTHEST:
            raise ExportError(
                f"forward() goes another way where not {boundary.rule}, too large to be tried here",
                where=f"part {part.name}, at {show(boundary.sizes)}",
                fix=f"declare {boundary.proven}, which is proven",
            )
        with suppress(ExportError):
            probe = compute_probe(part, boundary.sizes)
            found.append(replace(probe, rule=boundary.rule, proven=boundary.proven))
    return found


def _grown(
    part: ExportPart,
    least: Mapping[str, int],
    wanted: Mapping[str, int],
    start: int,
    seconds: float,
) -> tuple[Probe | None, str]:
    """Return the probe nearest to the wanted sizes, and why it is not at them; empty if it is.

    Sizes double until PyTorch fails, or until twice the size would take too long: attention makes
    it four times the work.
    """
    largest, bound, found = max(wanted.values()), start, None
    try:
        spent = _timed(part, _bounded(least, wanted, bound))[1]
        while bound < largest:
            if spent * 4 > seconds:
                return found, "more would take long"
            bound = largest if spent * (largest / bound) ** 2 <= seconds else bound * 2
            found, spent = _timed(part, _bounded(least, wanted, bound))
    except ExportError as error:
        return found, error.what
    return found, ""


def _bounded(least: Mapping[str, int], wanted: Mapping[str, int], bound: int) -> dict[str, int]:
    return {name: max(least[name], min(size, bound)) for name, size in wanted.items()}


def _timed(part: ExportPart, sizes: Mapping[str, int]) -> tuple[Probe, float]:
    start = time.perf_counter()
    probe = compute_probe(part, sizes)
    return probe, time.perf_counter() - start


def other_values(part: ExportPart) -> list[Probe]:
    """Return probes on other values than the example's: masks padded and full, numbers negated.

    Values the module itself fails on are left out: not every value is legal everywhere.
    """
    sizes = {n: min(size + 3, part.dims[n].max) for n, size in example_sizes(part).items()}
    found = []
    for padded in (True, False):
        try:
            probe = compute_probe(part, sizes, partial(varied, padded=padded))
        except ExportError:
            continue
        found.append(replace(probe, of="values"))
    return found


def varied(inputs: Mapping[str, Tensor], *, padded: bool) -> dict[str, Tensor]:
    """Return other values of the same kinds: masks stay masks, ids stay among those given.

    Args:
        inputs: The example inputs.
        padded: Whether masks hide the end of each row, one position more per row, or nothing.
            What hides is the rarer of a mask's two values, else 0.
    """
    return {name: _varied(tensor, padded=padded) for name, tensor in inputs.items()}


def _varied(tensor: Tensor, *, padded: bool) -> Tensor:
    import torch

    if tensor.dim() == 0 or tensor.numel() == 0:
        return tensor
    if tensor.dim() >= 2 and bool(((tensor == 0) | (tensor == 1)).all()):
        shows = int(2 * int((tensor != 0).sum()) >= tensor.numel())
        mask = torch.full_like(tensor, shows)
        for row in range(mask.shape[0] if padded else 0):
            hidden = min(row + 1, mask.shape[-1] - 1)
            mask[row, ..., mask.shape[-1] - hidden :] = 1 - shows
        return mask
    if tensor.is_floating_point():
        return -tensor.flip(-1)
    return tensor.roll(1, -1)
