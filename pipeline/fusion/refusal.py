"""Why a candidate is not the construct, or is it and stays as it is: for people, and for code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import onnx_ir as ir

from pipeline.graph.module_path import module_path


@dataclass(frozen=True, order=True)
class Step:
    """One of the conditions a construct must meet, which are asked in this order.

    Attributes:
        number: Its place, from 1.
        total: How many there are.
        asks: What it asks, empty where a reason alone says enough.
        advice: What to do where it breaks and the reason names nothing closer.
    """

    number: int
    total: int
    asks: str = ""
    advice: str = ""


# After the conditions of a construct itself, the same for all that is lowered.
WRITTEN = Step(4, 5, "whether the operator can be written here")
RIGHT = Step(5, 5, "whether it is right on this target")


class Kind(Enum):
    """What a refusal is, for code that decides on it."""

    NOT_FOUND = "the graph computes something else"
    LEFT_PLAIN = "recognised, and better as it is on this target"
    UNSUPPORTED = "the target has no operator for this form"
    OPSET = "the graph's opset lacks the operator"
    UNWRITABLE = "sizes or values the operator needs cannot be had here"
    UNPROVABLE = "what it computes cannot be compared"
    UNLOADABLE = "the runtime here does not load the operator in this form"
    PROOF_FAILED = "the replacement computes something else"
    UNBUILDABLE = "the engine builder refuses the graph with the operator in it"


@dataclass(frozen=True, eq=False)
class Refusal:
    """A candidate that is not (or not safely) the construct, and the first reason.

    Attributes:
        anchor: The node the recogniser started from.
        nearest: The closest form that was being matched when it failed.
        step: The first condition that broke.
        reason: How it broke, with the values found.
        node: The node at fault.
        remedy: What the user can change, empty when nothing closer than the step's advice.
        kind: What kind of refusal it is.
    """

    anchor: ir.Node
    nearest: str
    step: Step
    reason: str
    node: ir.Node | None = None
    remedy: str = ""
    kind: Kind = Kind.NOT_FOUND

    @property
    def plain(self) -> bool:
        """Whether the construct was recognised and left as it is on purpose."""
        return self.kind in (Kind.LEFT_PLAIN, Kind.OPSET)

    @property
    def path(self) -> str:
        """The module path of the anchor, for people."""
        return module_path(self.anchor)
