"""A frame of views that share factors: the common coordinates of one attention.

Queries, keys, values, masks and the result come with layouts of their own. Aligning two axes
splits both to the same factors and makes the factors *identical*, so that afterwards one layout,
written once, means the same for every role.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from pipeline.graph.sizes.dims import ONE, Dim
from pipeline.graph.views.view import Axes, Axis, Factor, View, axis_size


class AlignError(Exception):
    """Two axes that meet in one operator do not factor alike."""


class Frame:
    """Named views whose factors are unified as operators bring their axes together."""

    def __init__(self) -> None:
        self.views: dict[str, View] = {}

    def put(self, name: str, view: View) -> None:
        """Add or replace a role."""
        self.views[name] = view

    def axes(self, name: str) -> Axes:
        """Return a role's axes."""
        return self.views[name].axes

    def set_axes(self, name: str, axes: Axes) -> None:
        """Replace a role's axes, its data staying what it is."""
        self.views[name] = self.views[name].with_axes(axes)

    def replace(self, old: Factor, new: Axis) -> None:
        """Replace a factor by others in every role."""
        for name, view in self.views.items():
            self.views[name] = View(
                view.base, _swap(view.source, old, new), _swap(view.axes, old, new)
            )

    def align(self, one: str, i: int, other: str, j: int) -> None:
        """Make axis i of one role and axis j of another the same factors.

        An axis of size 1 against a longer one is a broadcast: it takes the other's factors
        without having them in its source.

        Raises:
            AlignError: The sizes do not factor alike.
        """
        left, right = self.axes(one)[i], self.axes(other)[j]
        if not left or not right:
            name, axis, factors = (one, i, right) if not left else (other, j, left)
            axes = self.axes(name)
            self.set_axes(name, (*axes[:axis], factors, *axes[axis + 1 :]))
            return
        done = 0
        while True:
            left, right = self.axes(one)[i], self.axes(other)[j]
            if done >= len(left) and done >= len(right):
                return
            if done >= len(left) or done >= len(right):
                raise AlignError(f"axis of {axis_size(left)} meets axis of {axis_size(right)}")
            self._match(left[done], right[done])
            done += 1

    def assume(self, one: str, i: int, other: str, j: int) -> bool:
        """Take axis j of `other` for axis i of `one` though their sizes are not known to agree.

        Returns whether that is possible: the axis must be a whole axis of the data. The caller
        must broadcast the data explicitly, since the axis may turn out to have size 1.
        """
        mine, theirs = self.axes(one)[i], self.axes(other)[j]
        view = self.views[other]
        if theirs not in view.source or not mine:
            return False
        self.views[other] = View(
            view.base,
            tuple(mine if axis == theirs else axis for axis in view.source),
            tuple(mine if k == j else axis for k, axis in enumerate(view.axes)),
        )
        return True

    def _match(self, a: Factor, b: Factor) -> None:
        if a is b:
            return
        if a.size != b.size:
            rest = b.size.exact_div(a.size)
            if rest is not None:
                b = self._split(b, (a.size, rest))
            elif (rest := a.size.exact_div(b.size)) is not None:
                a = self._split(a, (b.size, rest))
            else:
                raise AlignError(f"axis of {a.size} meets axis of {b.size}")
        keep, drop = (b, a) if a.broadcast and not b.broadcast else (a, b)
        self.replace(drop, (keep,))

    def _split(self, factor: Factor, sizes: tuple[Dim, Dim]) -> Factor:
        parts = tuple(Factor(size, factor.broadcast) for size in sizes if size != ONE)
        self.replace(factor, parts)
        return parts[0]

    def holds(self, name: str, factor: Factor) -> bool:
        """Whether the role's data varies along the factor (else it is broadcast)."""
        return any(factor in axis for axis in self.views[name].source)


def _swap(axes: Axes, old: Factor, new: Axis) -> Axes:
    if not any(old in axis for axis in axes):
        return axes
    return tuple(tuple(x for f in axis for x in (new if f is old else (f,))) for axis in axes)


def unit_view(value: ir.Value, axes: Iterable[Axis]) -> View:
    """Return the view of a value by the given axes, read as its own layout."""
    axes = tuple(axes)
    return View(value, axes, axes)
