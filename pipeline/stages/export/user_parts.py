"""A user's module and example inputs as a part: signature, axes and outputs worked out.

    def model():
        net = MyNet().eval()
        return net, {"x": torch.randn(2, 7, 64), "mask": torch.ones(2, 7, dtype=torch.bool)}

A third value names the axes that may change, {"x": {0: "batch", 1: "length"}}; a fourth their
ranges, {"length": (1, 128, 512)}. Without them the first axis is the batch, and the second axis
of sequences (2-D integers and masks, 3-D floats) a length; equal sizes get the same name.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.parts import Axes, ExportPart, free_names, name_outputs

DEFAULT_RANGES = {"batch": SizeRange(1, 1, 16)}
LENGTH = SizeRange(1, 128, 512)
SHAPE = "return (module, inputs), then optionally axes {name: {axis: size name}} and their ranges"


class UserModule(nn.Module):
    """The user's module behind positional tensors; results in a fixed order.

    Args:
        model: The module.
        names: Names of its arguments, in the order of the tensors.
        written: Arguments it writes into; it is given copies of them.
    """

    def __init__(
        self, model: nn.Module, names: Sequence[str], written: Collection[str] = ()
    ) -> None:
        super().__init__()
        self.model, self.names, self.written = model, tuple(names), frozenset(written)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return every tensor of the module's result."""
        given = dict(zip(self.names, inputs, strict=True))
        result = self.model(**{n: t.clone() if n in self.written else t for n, t in given.items()})
        return tuple(tensor for _, tensor in name_outputs(result))


def user_part(value: Any, where: str) -> ExportPart:
    """Return the part for what the user's function returned.

    Raises:
        UsageError: It returned something else, or the example does not run.
    """
    if not isinstance(value, Sequence) or not 2 <= len(value) <= 4:
        raise UsageError(f"the function returned a {type(value).__name__}", where=where, fix=SHAPE)
    model, given = value[0], value[1]
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"the first value is a {type(model).__name__}, not a torch.nn.Module",
            where=where,
            fix=SHAPE,
        )
    inputs = _by_name(model, given, where)
    axes = _declared(value[2], inputs, where) if len(value) > 2 else guess_axes(inputs)
    dims = _ranges(axes, value[3] if len(value) > 3 else {}, where)
    model.eval()
    copies = {name: tensor.clone() for name, tensor in inputs.items()}
    try:
        with torch.no_grad():
            outputs = tuple(name for name, _ in name_outputs(model(**copies)))
    except UsageError:
        raise
    except Exception as err:
        raise UsageError(
            f"the model fails on its own example inputs: {type(err).__name__}: {err}",
            where=where,
            fix="call the model with them in Python first",
        ) from err
    if not outputs:
        raise UsageError("the model returns no tensor", where=where, fix="return one from forward")
    for parameter in model.parameters():  # now: a lazy module had none before it was called
        parameter.requires_grad_(False)
    written = [name for name, tensor in copies.items() if tensor._version > 0]
    module = UserModule(model, tuple(inputs), written)
    return ExportPart("model", module, inputs, axes, dims, free_names(outputs, inputs))


def _by_name(model: nn.Module, given: Any, where: str) -> dict[str, Tensor]:
    """Return the inputs by argument name; positions take the names of forward's arguments."""
    if isinstance(given, Mapping):
        named = {str(key): value for key, value in given.items()}
    else:
        values = [given] if isinstance(given, torch.Tensor) else list(given)
        arguments = inspect.signature(model.forward).parameters.values()
        names = [p.name for p in arguments if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(names) < len(values):
            raise UsageError(
                f"{len(values)} inputs for a forward of {len(names)} arguments",
                where=where,
                fix="give the inputs as a dict by argument name",
            )
        named = dict(zip(names, values, strict=False))
    wrong = [name for name, value in named.items() if not isinstance(value, torch.Tensor)]
    if wrong or not named:
        raise UsageError(
            f"inputs that are no tensors: {', '.join(wrong) or '(none given)'}",
            where=where,
            fix="bind other arguments in a module of your own, e.g. with a default",
        )
    return named


def guess_axes(inputs: Mapping[str, Tensor]) -> Axes:
    """Return axis 0 of equal size as "batch", and the length of sequences on axis 1."""
    first = next(iter(inputs.values()))
    batch = first.shape[0] if first.dim() else None
    lengths: dict[int, str] = {}
    axes: Axes = {}
    for name, tensor in inputs.items():
        found: dict[int, str] = {}
        if tensor.dim() and tensor.shape[0] == batch:
            found[0] = "batch"
        whole = not tensor.is_floating_point()
        if found and tensor.dim() == (2 if whole else 3):
            size = tensor.shape[1]
            found[1] = lengths.setdefault(size, "length" if not lengths else f"{name}_length")
        axes[name] = found
    return axes


def _declared(axes: Any, inputs: Mapping[str, Tensor], where: str) -> Axes:
    """Return the declared axes after checking that they exist."""
    declared = {str(name): dict(found) for name, found in dict(axes).items()}
    for name, found in declared.items():
        if name not in inputs:
            raise UsageError(f"axes are declared for {name!r}, no input", where=where, fix=SHAPE)
        for axis in found:
            if not 0 <= axis < inputs[name].dim():
                raise UsageError(
                    f"{name} has {inputs[name].dim()} axes, {axis} is not one of them",
                    where=where,
                    fix="count axes from 0",
                )
    return declared


def _ranges(axes: Axes, given: Mapping[str, Sequence[int]], where: str) -> dict[str, SizeRange]:
    names = [t.strip() for found in axes.values() for e in found.values() for t in e.split("+")]
    ranges = {}
    for name in dict.fromkeys(names):
        if name not in given:
            ranges[name] = DEFAULT_RANGES.get(name, LENGTH)
            continue
        low, typical, high = given[name]
        if not 0 <= low <= typical <= high:
            raise UsageError(
                f"the range of {name} is {tuple(given[name])}",
                where=where,
                fix="give (smallest, typical, largest)",
            )
        ranges[name] = SizeRange(low, typical, high)
    return ranges
