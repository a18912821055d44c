"""A user's module and example inputs as a part: signature, axes and outputs worked out.

    def model():
        net = MyNet().eval()
        return net, {"x": torch.randn(2, 7, 64), "mask": torch.ones(2, 7, dtype=torch.bool)}

A third value names the axes that may change, {"x": {0: "batch", 1: "length"}}; a fourth their
ranges, {"length": (1, 128, 512)}. Without them the first axis is the batch, and the second axis
of sequences (2-D integers and masks, 3-D floats) a length; equal sizes get the same name.

Arguments may be nested: dicts, lists, tuples and dataclasses of tensors become inputs with dotted
names, batch.x; numbers, texts and None are part of the graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.parts import (
    Axes,
    ExportPart,
    example_sizes,
    free_names,
    name_outputs,
    resized,
)
from pipeline.stages.export.structure import FIXED, leaves, rebuilt

Arguments = tuple[Any, ...] | dict[str, Any]

DEFAULT_RANGES = {"batch": SizeRange(1, 1, 16)}
LENGTH = SizeRange(1, 128, 512)
SHAPE = "return (module, inputs), then optionally axes {name: {axis: size name}} and their ranges"


class UserModule(nn.Module):
    """The user's module behind positional tensors; results in a fixed order.

    Args:
        model: The module.
        given: Its arguments, as a tuple or by name: nested as they were given, around tensors.
        written: Tensors, by position among all, that it writes into; it is given copies of them.
    """

    def __init__(self, model: nn.Module, given: Arguments, written: Collection[int] = ()) -> None:
        super().__init__()
        self.model, self.written = model, frozenset(written)
        self._given = given

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return every tensor of the module's result."""
        copied = (t.clone() if i in self.written else t for i, t in enumerate(inputs))
        return tuple(tensor for _, tensor in name_outputs(self.call(copied)))

    def call(self, tensors: Iterator[Tensor]) -> Any:
        """Return what the module itself returns, given these in the places of its tensors."""
        given = rebuilt(self._given, tensors)
        return self.model(**given) if isinstance(given, dict) else self.model(*given)


def user_part(value: Any, where: str) -> ExportPart:
    """Return the part for what the user's function returned.

    Raises:
        UsageError: It returned something else, or the example does not run.
    """
    if not isinstance(value, Sequence) or not 2 <= len(value) <= 4:
        raise UsageError(f"the function returned a {type(value).__name__}", where=where, fix=SHAPE)
    model = value[0]
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"the first value is a {type(model).__name__}, not a torch.nn.Module",
            where=where,
            fix=SHAPE,
        )
    given, names = _arguments(model, value[1], where)
    inputs, fixed = _tensors(given, names, where)
    declared = _declared(value[2], inputs, where) if len(value) > 2 else None
    model.eval()
    module, outputs = _called(UserModule(model, given), inputs, where)
    part = ExportPart("model", module, inputs, {}, {}, free_names(outputs, inputs), fixed=fixed)
    told = value[3] if len(value) > 3 else {}
    if declared is not None:
        return replace(part, axes=declared, dims=_ranges(declared, told, where))
    guesses = [
        replace(part, axes=axes, dims=_ranges(axes, told, where)) for axes in guess_axes(inputs)
    ]
    return next((guess for guess in guesses if _runs_elsewhere(guess)), guesses[0])


def _called(
    module: UserModule, inputs: dict[str, Tensor], where: str
) -> tuple[UserModule, list[str]]:
    """Return the module, told what it writes into, and the names of what it returns."""
    copies = [tensor.clone() for tensor in inputs.values()]
    try:
        with torch.no_grad():
            outputs = [name for name, _ in name_outputs(module.call(iter(copies)))]
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
    for parameter in module.parameters():  # now: a lazy module had none before it was called
        parameter.requires_grad_(False)
    module.written = frozenset(i for i, tensor in enumerate(copies) if tensor._version > 0)
    return module, outputs


def _arguments(model: nn.Module, given: Any, where: str) -> tuple[Arguments, list[str]]:
    """Return the arguments by name or position, and a name for each of them."""
    if isinstance(given, Mapping):
        named = {str(key): value for key, value in given.items()}
        return named, list(named)
    values = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    parameters = inspect.signature(model.forward).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
    if rest:
        names += [f"{rest}.{index}" for index in range(len(values) - len(names))]
    if len(names) < len(values):
        raise UsageError(
            f"{len(values)} inputs for a forward of {len(names)} arguments",
            where=where,
            fix="give the inputs as a dict by argument name",
        )
    return values, names[: len(values)]


def _tensors(
    given: Arguments, names: list[str], where: str
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors by name, and as text what else was given."""
    values = given.values() if isinstance(given, dict) else given
    found = [
        leaf for name, value in zip(names, values, strict=True) for leaf in leaves(value, name)
    ]
    inputs = {name: leaf for name, leaf in found if isinstance(leaf, Tensor)}
    wrong = [n for n, leaf in found if not isinstance(leaf, (Tensor, *FIXED))]
    if wrong or not inputs:
        raise UsageError(
            f"inputs that are no tensors: {', '.join(wrong) or '(none given)'}",
            where=where,
            fix="give tensors, numbers and texts, or dicts, lists and dataclasses of them",
        )
    return inputs, {name: repr(leaf) for name, leaf in found if name not in inputs}


def _runs_elsewhere(part: ExportPart) -> bool:
    """Return whether the model runs at sizes other than its example's."""
    try:
        with torch.no_grad():
            part.module(*resized(part, example_sizes(part)).values())
    except Exception:
        return False
    return True


def guess_axes(inputs: Mapping[str, Tensor]) -> list[Axes]:
    """Return what the axes may be, the likelier first.

    Axis 0 of equal size is "batch", axis 1 of sequences a length. The second guess differs where
    some other axis has a sequence's length too, as a mask of floats has.
    """
    first = next((tensor for tensor in inputs.values() if tensor.dim()), None)
    batch = first.shape[0] if first is not None else None
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
    wider = {
        name: {a: lengths[s] for a, s in enumerate(tensor.shape) if a and s in lengths} | axes[name]
        for name, tensor in inputs.items()
    }
    return [axes] if wider == axes else [axes, wider]


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
