"""What every lowering looks like."""

from __future__ import annotations

from typing import Literal, Protocol, TypeVar

import onnx_ir as ir

from pipeline.graph.emit import Emitter
from pipeline.graph.sites import Refusal, Site

Exactness = Literal["bitwise", "rounding", "lower precision"]
S = TypeVar("S", bound=Site, contravariant=True)


class Lowering(Protocol[S]):
    """Turns one kind of site into one target's operators.

    Attributes:
        name: Verb and object in snake case, e.g. `fuse_attention_standard`; `--disable` takes it.
        construct: The construct it lowers.
        targets: The targets it serves.
        opset: The lowest ai.onnx opset its operators need.
        source: Where the operator is specified.
        exact: How the result relates to the original's.
    """

    name: str
    construct: str
    targets: frozenset[str]
    opset: int
    source: str
    exact: Exactness

    def lower(self, site: S, emit: Emitter) -> tuple[ir.Value, ...] | Refusal | None:
        """Return the values that replace `site.outputs`, or why this site cannot be lowered.

        None means that the site has a form another lowering is for.
        """
