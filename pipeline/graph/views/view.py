"""Views: what chains of Reshape, Transpose, Unsqueeze, Squeeze, Expand and Tile really do.

A view says, for every axis of a tensor, which factors of which axes of a *base* tensor it is made
of, major to minor: `[B, S, H*D] -> Reshape -> Transpose -> [B, H, S, D]` is
`(b)(s)(h d) -> (b)(h)(s)(d)`. Recognisers reason on the composed map and never on the chain, so
exporters may write the same layout change in any number of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import ONE, Dim


@dataclass(frozen=True, eq=False)
class Factor:
    """An indivisible piece of an axis; identity matters, not size.

    Attributes:
        size: Its length, never the constant 1.
        broadcast: True when the tensor repeats along it instead of reading the base.
    """

    size: Dim
    broadcast: bool = False

    def __repr__(self) -> str:
        return f"{'~' if self.broadcast else ''}{self.size}"


Axis = tuple[Factor, ...]
Axes = tuple[Axis, ...]


def axis_size(axis: Axis) -> Dim:
    """Return the product of the factors' sizes."""
    total = ONE
    for factor in axis:
        total = total * factor.size
    return total


def _axis(size: Dim) -> Axis:
    return () if size == ONE else (Factor(size),)


@dataclass(frozen=True, eq=False)
class View:
    """A tensor described as a rearrangement of `base`.

    Attributes:
        base: The tensor that holds the data.
        source: The factors of each axis of the base.
        axes: The factors of each axis of the view; broadcast factors have no source.
    """

    base: ir.Value
    source: Axes
    axes: Axes

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The view's shape."""
        return tuple(axis_size(axis) for axis in self.axes)

    @property
    def held(self) -> frozenset[Factor]:
        """The factors the data varies along; along the others it is broadcast."""
        return frozenset(factor for axis in self.source for factor in axis)

    def transpose(self, perm: Sequence[int]) -> View:
        """Return the view with its axes in another order."""
        return View(self.base, self.source, tuple(self.axes[p] for p in perm))

    def with_axes(self, axes: Axes) -> View:
        """Return the view with the same base and other axes."""
        return View(self.base, self.source, axes)

    def with_axis(self, place: int, axis: Axis) -> View:
        """Return the view with the same base and one other axis."""
        return self.with_axes((*self.axes[:place], axis, *self.axes[place + 1 :]))

    def reshape(self, shape: Sequence[Dim]) -> View | None:
        """Return the view reshaped, or None where axes do not factor along the new ones."""
        queue = [f for axis in self.axes for f in axis]
        source = self.source
        axes: list[Axis] = []
        for size in shape:
            taken: list[Factor] = []
            while size != ONE:
                if not queue:
                    return None
                head = queue.pop(0)
                rest = size.exact_div(head.size)
                if rest is None:
                    minor = head.size.exact_div(size)
                    if minor is None:
                        return None
                    parts = (Factor(size, head.broadcast), Factor(minor, head.broadcast))
                    source = _swap(source, head, parts)
                    queue.insert(0, parts[1])
                    head, rest = parts[0], ONE
                taken.append(head)
                size = rest
            axes.append(tuple(taken))
        return None if queue else View(self.base, source, tuple(axes))


def _swap(axes: Axes, factor: Factor, parts: Axis) -> Axes:
    if not any(factor in axis for axis in axes):
        return axes
    return tuple(
        tuple(new for old in axis for new in (parts if old is factor else (old,))) for axis in axes
    )


def unit_view(value: ir.Value, axes: Iterable[Axis]) -> View:
    """Return the view of a value by the given axes, read as its own layout."""
    axes = tuple(axes)
    return View(value, axes, axes)


def base_view(value: ir.Value, facts: Facts) -> View | None:
    """Return the trivial view of a value with a known shape, each axis one factor."""
    shape = facts.shape(value)
    if shape is None:
        return None
    return unit_view(value, (_axis(size) for size in shape))


def view_of(value: ir.Value, facts: Facts) -> View | None:
    """Return the value as a view of the farthest tensor reached through layout-only nodes."""
    chain: list[ir.Node] = []
    while (node := value.producer()) is not None and is_layout(node, facts):
        chain.append(node)
        source = node.inputs[0]
        assert source is not None
        value = source
    view = base_view(value, facts)
    for node in reversed(chain):
        moved = apply_layout(view, node, facts) if view is not None else None
        view = moved if moved is not None else base_view(node.outputs[0], facts)
    return view


LAYOUT_OPS = frozenset(
    {"Reshape", "Transpose", "Unsqueeze", "Squeeze", "Flatten", "Expand", "Tile", "Identity"}
)


def is_layout(node: ir.Node, facts: Facts) -> bool:
    """Whether the node only rearranges or repeats its first input."""
    if node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type == "Concat":
        return len(node.inputs) > 1 and all(x is node.inputs[0] for x in node.inputs)
    return node.op_type in LAYOUT_OPS


def apply_layout(view: View, node: ir.Node, facts: Facts) -> View | None:
    """Return the view seen through one more layout node, or None where axes do not factor."""
    shape = facts.shape(node.outputs[0])
    if shape is None:
        return None
    match node.op_type:
        case "Identity":
            return view
        case "Transpose":
            order = node.attributes.get_ints("perm", range(len(view.axes) - 1, -1, -1))
            fits = sorted(order) == list(range(len(view.axes)))
            return view.transpose(list(order)) if fits else None
        case "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze":
            return view.reshape(shape)
        case "Expand":
            return _expanded(view, shape)
        case _:
            return _repeated(view, shape)


def _expanded(view: View, shape: tuple[Dim, ...]) -> View | None:
    padded: Axes = ((),) * (len(shape) - len(view.axes)) + view.axes
    axes: list[Axis] = []
    for axis, size in zip(padded, shape, strict=True):
        if axis and axis_size(axis) != size:
            return None
        axes.append(axis if axis or size == ONE else (Factor(size, broadcast=True),))
    return view.with_axes(tuple(axes))


def _repeated(view: View, shape: tuple[Dim, ...]) -> View | None:
    """Tile, and Concat of one tensor with itself: the repeat is the major factor of its axis."""
    axes: list[Axis] = []
    for axis, size in zip(view.axes, shape, strict=True):
        times = size.exact_div(axis_size(axis))
        if times is None:
            return None
        axes.append(axis if times == ONE else (Factor(times, broadcast=True), *axis))
    return view.with_axes(tuple(axes))
