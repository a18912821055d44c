"""What recognisers find: sites with their roles filled in.

A site names existing values of the graph. It is evidence, not an edit: a lowering turns it into
replacement nodes, the prover compares the two, and only then does the graph change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir as ir

from pipeline.graph.module_path import module_path


@dataclass(frozen=True, eq=False)
class Site:
    """One recognised construct.

    Attributes:
        anchor: The node the recogniser started from.
        nodes: Every node the construct consists of; those without other consumers disappear.
        outputs: The values a lowering must replace, in order.
        evidence: Values whose producers the recogniser relied on (a mask's contents, that two
            rotary halves are equal). The proof recomputes them instead of feeding noise.
    """

    anchor: ir.Node
    nodes: frozenset[ir.Node]
    outputs: tuple[ir.Value, ...]
    evidence: frozenset[ir.Value] = field(default=frozenset(), kw_only=True)

    @property
    def form(self) -> str:
        """A few words for reports, e.g. `self, grouped 4/2, causal mask`."""
        return ""

    @property
    def operands(self) -> frozenset[ir.Value]:
        """Values the proof feeds with noise; by default the float ones heavy operators made."""
        return frozenset()

    @property
    def may_be_zero(self) -> frozenset[str]:
        """Named sizes that may be 0, such as a past length; the proof tries it."""
        return frozenset()

    @property
    def native(self) -> bool:
        """Whether the graph came with it as one operator; then there is nothing to lower."""
        return False

    @property
    def path(self) -> str:
        """The module path of the anchor, for people; never used as evidence."""
        return module_path(self.anchor)
