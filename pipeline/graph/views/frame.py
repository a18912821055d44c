"""A frame of views that share factors: the common coordinates of tensors that meet in operators.

Queries, keys, values, masks and a result come with layouts of their own. Aligning two axes splits
both to the same factors and makes the factors *identical*, so that afterwards one layout, written
once, means the same for each of them.

A frame holds what became of each factor. Views and axes are plain values that are read through it:
`frame.view` and `frame.axis` return them in the factors of now.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import ONE, Dim
from pipeline.graph.views.view import Axes, Axis, Factor, View, apply_layout, axis_size


class AlignError(Exception):
    """Two axes that meet in one operator do not factor alike."""


class Frame:
    """What became of factors as operators brought axes together."""

    def __init__(self) -> None:
        self._became: dict[Factor, Axis] = {}

    def axis(self, axis: Axis) -> Axis:
        """Return an axis in the factors of now."""
        found: list[Factor] = []
        for factor in axis:
            became = self._became.get(factor)
            found += (factor,) if became is None else self.axis(became)
        return tuple(found)

    def view(self, view: View) -> View:
        """Return a view in the factors of now."""
        source, axes = (tuple(self.axis(a) for a in held) for held in (view.source, view.axes))
        return View(view.base, source, axes)

    def align(self, one: View, i: int, other: View, j: int) -> tuple[View, View]:
        """Return both views, axis i of the one and axis j of the other being the same factors.

        An axis of size 1 against a longer one is a broadcast: it takes the other's factors
        without having them in its source.

        Raises:
            AlignError: The sizes do not factor alike.
        """
        one, other = self.view(one), self.view(other)
        left, right = one.axes[i], other.axes[j]
        if not left:
            return one.with_axis(i, right), other
        if not right:
            return one, other.with_axis(j, left)
        self.unify(left, right)
        return self.view(one), self.view(other)

    def unify(self, left: Axis, right: Axis) -> None:
        """Make two axes longer than 1 the same factors.

        Raises:
            AlignError: The sizes do not factor alike.
        """
        left, right, done = self.axis(left), self.axis(right), 0
        while done < max(len(left), len(right)):
            if done == min(len(left), len(right)):
                raise AlignError(f"axis of {axis_size(left)} meets axis of {axis_size(right)}")
            self._match(left[done], right[done])
            left, right, done = self.axis(left), self.axis(right), done + 1

    def rearranged(self, view: View, node: ir.Node, facts: Facts) -> View | None:
        """Return a view seen through one more layout node, None where axes do not factor.

        Factors that the node splits are split in every view.
        """
        before = self.view(view)
        after = apply_layout(before, node, facts)
        if after is None:
            return None
        for held, parts in zip(before.source, after.source, strict=True):
            left = iter(parts)
            for factor in held:
                taken = [next(left)]
                if taken[0] is factor:
                    continue
                while axis_size(tuple(taken)) != factor.size:
                    taken.append(next(left))
                self._became[factor] = tuple(taken)
        return after

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Forget what the block aligned when it raises."""
        held = dict(self._became)
        try:
            yield
        except BaseException:
            self._became = held
            raise

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
        self._became[drop] = (keep,)

    def _split(self, factor: Factor, sizes: tuple[Dim, Dim]) -> Factor:
        parts = tuple(Factor(size, factor.broadcast) for size in sizes if size != ONE)
        self._became[factor] = parts
        return parts[0]


def assumed(view: View, place: int, axis: Axis) -> View | None:
    """Return a view whose axis at `place` is taken for another, whose size may not be the same.

    None where it is no whole axis of the data. The caller must broadcast the data explicitly,
    since the axis may turn out to have size 1.
    """
    own = view.axes[place]
    if own not in view.source or not axis:
        return None
    source: Axes = tuple(axis if each == own else each for each in view.source)
    return View(view.base, source, view.axes).with_axis(place, axis)
