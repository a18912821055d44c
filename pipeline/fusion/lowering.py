"""What every lowering looks like."""

from __future__ import annotations

from typing import Literal, Protocol, TypeVar

import onnx_ir as ir

from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.rewriting.emit import Emitter

Exactness = Literal["bitwise", "rounding", "lower precision"]
S = TypeVar("S", bound=Site, contravariant=True)


class Lowering(Protocol[S]):
    """Turns one kind of site into one target's operators.

    The attributes are properties here because frozen dataclasses only offer them to be read.
    """

    @property
    def name(self) -> str:
        """Verb and object in snake case, e.g. `fuse_attention_standard`; `--disable` takes it."""

    @property
    def targets(self) -> frozenset[str]:
        """The targets it serves."""

    @property
    def opset(self) -> int:
        """The lowest ai.onnx opset its operators need."""

    @property
    def source(self) -> str:
        """Where the operator is specified."""

    @property
    def exact(self) -> Exactness:
        """How the result relates to the original's."""

    def lower(self, site: S, emit: Emitter) -> tuple[ir.Value, ...] | Refusal | None:
        """Return the values that replace `site.outputs`, or why this site cannot be lowered.

        None means that the site has a form another lowering is for.
        """
