"""What a construct brings: a finder, and the lowerings of one target in order of preference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from pipeline.fusion.lowering import Lowering
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.types import Method

Finder = Callable[[ir.Graph, Facts], Iterator[Site | Refusal]]


@dataclass(frozen=True)
class Choice:
    """What decides which lowerings are offered.

    Attributes:
        target: What will run the graph.
        fuse_all: Also what measures slower fused.
        precision: What the graph is typed or rounded to; None keeps its types.
        inputs: Real inputs of the whole graph by name, where a form depends on values.
        method: How weights of 4 bits are rounded: `rtn` each to the nearest code, `gptq` so that
            errors make up for each other on the inputs.
    """

    target: str
    fuse_all: bool = False
    precision: str | None = None
    inputs: Mapping[str, np.ndarray] | None = None
    method: Method = "rtn"

    @property
    def calibrated(self) -> bool:
        """Whether weights are rounded with the inputs in view."""
        return self.precision == "int4" and self.method == "gptq"

    @property
    def half(self) -> bool:
        """Whether the graph is typed float16 afterwards."""
        return self.precision == "fp16"


@dataclass(frozen=True)
class Pass:
    """One walk over the graph: a finder and what may lower what it finds.

    Each site a finder yields is lowered, proven and committed before the finder goes on. When it
    does, nodes of the site that nobody needs any more have left the graph, and so have those that
    only they needed, above the site; new nodes stand in it, which facts know.

    A finder therefore takes its anchors from `anchors` and reads the graph anew for each, and once
    more for each further site of one anchor: nothing it read before a `yield` need be true after
    it. What it yields has an anchor that is in the graph. New nodes are no anchors of the same
    walk; a later pass meets them.

    Attributes:
        name: The construct, as counted in manifests and named by `--require`.
        find: Yields sites, and refusals that say why a candidate is none.
        lowerings: Tried in order until one does not refuse; empty to only report sites.
        keep_native: Whether sites that are one operator already stay it, instead of being lowered
            afresh to a form that suits the target better.
    """

    name: str
    find: Finder
    lowerings: tuple[Lowering[Any], ...] = ()
    keep_native: bool = False


def anchors(graph: ir.Graph) -> Iterator[ir.Node]:
    """Yield the nodes a graph has now, without those that leave it before their turn."""
    for node in list(graph):
        if node.graph is graph:
            yield node


Construct = Callable[[Choice], tuple[Pass, ...]]
