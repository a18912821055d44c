"""A graph compiled into a flat list of steps over numbered slots."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir
import torch

from pipeline import errors
from pipeline.judge.fallback import place_of
from pipeline.judge.op import Kernel

Observe = Callable[[str, torch.Tensor], None]
Loader = Callable[[], torch.Tensor]


@dataclass(slots=True)
class Step:
    """One node: slots to read, slots to write, slots dead afterwards."""

    kernel: Kernel
    node: ir.Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    loads: tuple[tuple[int, Loader], ...] = ()
    frees: tuple[int, ...] = ()


@dataclass
class Plan:
    """Steps in order, and where their inputs, constants and results lie.

    Attributes:
        steps: What to run.
        template: Slots as they are at the start, kept constants already in place.
        inputs: Slots of the formal inputs, in order.
        captured: Slots of the values taken from an enclosing graph, in order.
        outputs: Slots of the results, in order.
        names: Name of each slot's value, for observers.
        loads: Constants that no step reads: results that are weights themselves.
    """

    steps: list[Step]
    template: list[Any]
    inputs: tuple[int, ...]
    captured: tuple[int, ...]
    outputs: tuple[int, ...]
    names: list[str]
    loads: tuple[tuple[int, Loader], ...] = ()
    where: str = field(default="")

    def __call__(
        self, inputs: Sequence[Any], captured: Sequence[Any] = (), observe: Observe | None = None
    ) -> list[Any]:
        """Return the results for these inputs.

        Raises:
            BadModelError: a node cannot run on the shapes or values it was given.
        """
        env = self.template.copy()
        for slot, value in zip(self.inputs, inputs, strict=True):
            env[slot] = value
        for slot, value in zip(self.captured, captured, strict=True):
            env[slot] = value
        for slot, load in self.loads:
            env[slot] = load()
        if observe is not None:
            self._report(observe, env, self.inputs)
        for step in self.steps:
            for slot, load in step.loads:
                env[slot] = load()
            try:
                result = step.kernel(*[env[slot] for slot in step.inputs])
            except errors.PipelineError:
                raise
            except Exception as err:
                raise _failure(step, [env[slot] for slot in step.inputs], err) from err
            outputs = step.outputs
            if type(result) is tuple:
                for slot, value in zip(outputs, result, strict=False):
                    env[slot] = value
            else:
                env[outputs[0]] = result
            if observe is not None:
                self._report(observe, env, outputs)
            for slot in step.frees:
                env[slot] = None
        return [env[slot] for slot in self.outputs]

    def _report(self, observe: Observe, env: list[Any], outputs: tuple[int, ...]) -> None:
        for slot in outputs:
            if self.names[slot] and isinstance(env[slot], torch.Tensor):
                observe(self.names[slot], env[slot])


def set_lifetimes(steps: Sequence[Step], keep: Collection[int], loaders: dict[int, Loader]) -> None:
    """Write into each step which constants to load before it and which slots to drop after.

    Args:
        steps: The steps in order, changed in place.
        keep: Slots that outlive the steps: results.
        loaders: Constants too large to keep, by slot.
    """
    last: dict[int, int] = {}
    first: dict[int, int] = {}
    for index, step in enumerate(steps):
        for slot in step.inputs:
            last[slot] = index
            first.setdefault(slot, index)
        for slot in step.outputs:
            last.setdefault(slot, index)
    frees: dict[int, list[int]] = {}
    for slot, index in last.items():
        if slot > 0 and slot not in keep:
            frees.setdefault(index, []).append(slot)
    for index, step in enumerate(steps):
        step.frees = tuple(frees.get(index, ()))
        step.loads = tuple(
            (s, loaders[s])
            for s in dict.fromkeys(step.inputs)
            if s in loaders and first[s] == index and s not in keep
        )


def _failure(step: Step, inputs: list[Any], err: Exception) -> errors.BadModelError:
    shown = ", ".join(
        f"{str(x.dtype).removeprefix('torch.')}{list(x.shape)}"
        if isinstance(x, torch.Tensor)
        else type(x).__name__
        for x in inputs
    )
    reason = str(err).strip().splitlines() or [type(err).__name__]
    return errors.BadModelError(
        f"{step.node.op_type} cannot run on ({shown}): {reason[0]}",
        where=place_of(step.node),
        fix="check the inputs' sizes against each other, or the graph with onnx.checker",
    )
