"""What a construct brings: a finder, and the lowerings of one target in order of preference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from pipeline.fusion.lowering import Lowering
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts

Finder = Callable[[ir.Graph, Facts], Iterator[Site | Refusal]]


@dataclass(frozen=True)
class Choice:
    """What decides which lowerings are offered.

    Attributes:
        target: What will run the graph.
        fuse_all: Also what measures slower fused.
        half: Whether the graph is typed float16 afterwards.
    """

    target: str
    fuse_all: bool = False
    half: bool = False


@dataclass(frozen=True)
class Pass:
    """One walk over the graph: a finder and what may lower what it finds.

    The finder yields while the graph changes: each yielded site is lowered, proven and committed
    before the finder goes on. So a finder holds no list of nodes that a commit may remove: it
    takes a snapshot of its anchors first, skips those that have left the graph, and reads
    everything else anew for each of them.

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


Construct = Callable[[Choice], tuple[Pass, ...]]
