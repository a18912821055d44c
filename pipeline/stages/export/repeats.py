"""Does a module give the same outputs when it is called twice on the same inputs?

One that draws random numbers in forward(), or counts its calls, has no graph: whatever an exporter
writes down of it differs from its next answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadModelError
from pipeline.stages.export.exporters import plain_kernels
from pipeline.stages.export.parts import ExportPart, resized

if TYPE_CHECKING:
    from torch import Tensor

RANDOM = (
    "it draws random numbers in forward(): make F.dropout take training=self.training, or pass "
    "the noise as an input"
)
STATEFUL = (
    "it keeps something from one call to the next, such as a counter or a cache, or draws from "
    "another source than torch: let the outputs depend on the inputs alone"
)


def require_repeatable(
    part: ExportPart, sizes: Mapping[str, int], first: Mapping[str, Tensor]
) -> None:
    """Call the module again at these sizes and compare every bit with the first call's outputs.

    Args:
        part: The module and its example inputs.
        sizes: As the first call had them.
        first: What it returned, by name.

    Raises:
        BadModelError: They differ; names the innermost module that gave something else.
    """
    import torch

    inputs = resized(part, sizes)
    before = torch.random.get_rng_state()
    with plain_kernels():
        again = dict(zip(part.outputs, part.module(*inputs.values()), strict=True))
    drew = not torch.equal(before, torch.random.get_rng_state())
    differing = [name for name in part.outputs if not _same(first[name], again[name])]
    if differing:
        raise BadModelError(
            "the model does not repeat itself: called twice on the same inputs, it gives another "
            f"{', '.join(differing[:3])}",
            where=_first_to_differ(part, sizes) or f"part {part.name}",
            fix=RANDOM if drew else STATEFUL,
        )


def _same(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors are equal in every value, NaN beside NaN."""
    if a.shape != b.shape:
        return False
    return bool(((a == b) | ((a != a) & (b != b))).all())


def _first_to_differ(part: ExportPart, sizes: Mapping[str, int]) -> str:
    """Return the path and type of the module that is the first to end differently in two calls."""
    modules = {path: type(module).__name__ for path, module in part.module.named_modules()}
    for (path, one), (_, two) in zip(_trace(part, sizes), _trace(part, sizes), strict=False):
        if one != two:
            shown = path.removeprefix(part.prefix).lstrip(".")
            return f"{shown or 'the model itself'} ({modules[path]})"
    return ""


def _trace(part: ExportPart, sizes: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return (path, digest of the outputs) of each module, in the order in which they end."""
    ended: list[tuple[str, str]] = []

    def noting(path: str) -> Any:
        return lambda module, args, result: ended.append((path, _digest(result)))

    handles = [
        module.register_forward_hook(noting(path)) for path, module in part.module.named_modules()
    ]
    try:
        with plain_kernels():
            part.module(*resized(part, sizes).values())
    finally:
        for handle in handles:
            handle.remove()
    return ended


def _digest(result: Any) -> str:
    import torch

    digest = hashlib.sha256()
    leaves: Sequence[Any] = torch.utils._pytree.tree_leaves(result)
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            raw: Any = leaf.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
            digest.update(raw)
    return digest.hexdigest()
