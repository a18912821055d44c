"""Inputs for any ONNX file, consistent with what the graph does with them."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import onnx_ir as ir

from pipeline import errors
from pipeline.graph.inference.facts import Facts
from pipeline.graph.normalise.inline import inline
from pipeline.graph.sizes.dims import Dim
from pipeline.inputs.images import accepted_sides
from pipeline.inputs.masks import STYLES, Style, positions, visible
from pipeline.inputs.roles import Role, role_of
from pipeline.inputs.size_kinds import key_length
from pipeline.inputs.sizes import Sizes

_LARGE = 300.0  # its square does not fit float16
# What exporters fill masks with: the lowest value of the type.
_LOWEST = {
    ir.DataType.FLOAT: float(np.finfo(np.float32).min),
    ir.DataType.DOUBLE: float(np.finfo(np.float64).min),
    ir.DataType.FLOAT16: -65504.0,
    ir.DataType.BFLOAT16: -3.3895313892515355e38,
}
MAX_ELEMENTS = 2**30  # of one input; 8 GB while it is drawn
_RESERVED = 4  # ids below this are often padding and other marks


class InputMaker:
    """Makes inputs for one model: its analysis is done once, each call only draws values.

    Args:
        model: The model; it is not changed.

    Attributes:
        model: The model, calls of functions written out.
        facts: Facts of it.
        roles: What each input is for, in order.
        sizes: Its dynamic sizes.

    Raises:
        BadModelError: an input is no tensor of numbers.
    """

    def __init__(self, model: ir.Model) -> None:
        if model.functions:
            model = model.clone()
            inline(model)
        facts = Facts(model)
        initializers = model.graph.initializers
        values = [v for v in model.graph.inputs if v.name not in initializers]
        for value in values:
            if value.dtype is None or value.dtype == ir.DataType.STRING:
                raise errors.BadModelError(
                    f"the input {value.name!r} is no tensor of numbers",
                    fix="give inputs in a file",
                )
        self.roles = [role_of(value, facts) for value in values]
        self.sizes = Sizes(facts, self.roles)
        self._total = key_length(facts, self.roles)
        self.model, self.facts = model, facts
        self._sides: list[int] = []

    def make(
        self, dims: Mapping[str, int] | None = None, seed: int = 0, style: Style = "plain"
    ) -> dict[str, np.ndarray]:
        """Return one array per input; see `synthesize`."""
        if style not in STYLES:
            raise errors.UsageError(
                f"unknown style of inputs {style!r}", fix=f"one of {', '.join(STYLES)}"
            )
        pins = self._with_sides(dict(dims or {}), 0)
        if style == "length-1":
            pins = {n: size for n, size in pins.items() if n not in self.sizes.sequences}
        sizes = self.sizes.choose(pins, short=style == "length-1")
        return _Draw(self.roles, self._total, sizes, seed, style).arrays()

    def dims(self, variant: int) -> dict[str, int]:
        """Return sizes by name; see `choose_dims`."""
        pins = self._with_sides({}, variant)
        return self.sizes.named(self.sizes.choose(pins, variant))

    def sizes_of(self, dims: Mapping[str, int]) -> dict[str, int]:
        """Return every named size that these lead to; only these where they contradict it."""
        try:
            return self.sizes.named(self.sizes.choose(dims)) | dict(dims)
        except errors.UsageError:
            return dict(dims)

    def _with_sides(self, pins: dict[str, int], variant: int) -> dict[str, int]:
        """Return the pins with free image sides at a size the graph runs with."""
        free = sorted(self.sizes.images - pins.keys())
        if not free:
            return pins
        self._sides = self._sides or accepted_sides(self.model, self._probe, 2)
        return {**dict.fromkeys(free, self._sides[-1 if variant % 2 else 0]), **pins}

    def _probe(self, side: int) -> dict[str, np.ndarray]:
        sizes = self.sizes.choose(dict.fromkeys(self.sizes.images, side), 2)
        return _Draw(self.roles, self._total, sizes, 0, "plain").arrays()


def synthesize(
    model: ir.Model,
    dims: Mapping[str, int] | None = None,
    seed: int = 0,
    style: Style = "plain",
) -> dict[str, np.ndarray]:
    """Return values for every input of a model that agree with each other and with the graph.

    Ids stay below the tables they index, masks keep the polarity the graph reads them with,
    positions count visible tokens, and sizes such as past + new agree.

    Args:
        model: Any ONNX model; it is not changed.
        dims: Sizes by name; the rest is chosen to fit.
        seed: Seed of every random value.
        style: "plain" masks nothing; "padded" and "left-padded" hide ends of rows, "holes"
            hides keys anywhere, "masked-rows" hides one row whole; "large" has floats in the
            hundreds; "length-1" has sequences of one token, whatever `dims` says of them; "rows"
            walks through every row of each table in turn, its ends and the ids that the graph
            tests for first: the seed is how many ids other cases have taken already.

    Raises:
        UsageError: an unknown style or size, or sizes that contradict each other.
        BadModelError: an input that is no tensor of numbers.
    """
    return InputMaker(model).make(dims, seed, style)


def choose_dims(model: ir.Model, variant: int = 0) -> dict[str, int]:
    """Return one of several consistent assignments of sizes to a model's named dims.

    Variants 0 and 1 differ in every free size; variant 2 has an empty past where there is one
    and a batch of 1.
    """
    return InputMaker(model).dims(variant)


class _Draw:
    """One set of inputs in the making."""

    def __init__(
        self,
        roles: list[Role],
        total: Dim | None,
        sizes: Mapping[str, int],
        seed: int,
        style: Style,
    ) -> None:
        self._roles, self._total, self._sizes = roles, total, sizes
        self._seed, self._style = seed, style
        self._keeps: dict[tuple[int, int], np.ndarray] = {}
        self._makers = {
            "ids": self._ids,
            "positions": self._positions,
            "mask": self._mask,
            "lengths": self._lengths,
            "total": self._lengths,
            "switch": self._switch,
            "size": self._size,
            "bias": self._bias,
            "floats": self._floats,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        made = {}
        for index, role in enumerate(self._roles):
            rng = np.random.default_rng([self._seed, index])
            array = self._makers[role.kind](role, self._shape(role), rng)
            assert role.value.dtype is not None, "checked by InputMaker"
            made[role.name] = np.asarray(array).astype(role.value.dtype.numpy())
        return made

    def _shape(self, role: Role) -> tuple[int, ...]:
        shape = tuple(dim.evaluate(self._sizes) for dim in role.shape)
        if prod(shape) > MAX_ELEMENTS:
            raise errors.BadModelError(
                f"the input {role.name!r} has {prod(shape)} elements in shape {list(shape)}",
                fix="export it with sizes that may change, or pin smaller ones with --dim",
            )
        return shape

    def _keep(self, batch: int, length: int) -> np.ndarray:
        """Return which keys are visible, the same for all inputs of one size."""
        if (batch, length) not in self._keeps:
            rng = np.random.default_rng([self._seed, 2**20, length])
            self._keeps[batch, length] = visible(batch, length, self._style, rng)
        return self._keeps[batch, length]

    def _limit(self, role: Role) -> int | None:
        """Return one more than the largest value every index of an input allows."""
        limits = []
        for bound in role.bounds:
            if bound.slope > 0 and bound.size.symbols <= self._sizes.keys():
                size = bound.size.evaluate(self._sizes)
                limits.append(int((size - 1 - bound.offset) // bound.slope) + 1)
        return min(limits, default=None)

    def _ids(self, role: Role, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        limit = self._limit(role)
        limit = 2 if limit is None else max(limit, 1)
        if self._style == "rows":
            return _walked(limit, sorted(role.special), self._seed, shape)
        usual = np.arange(_RESERVED if limit > 4 * _RESERVED else 0, limit)
        free = np.setdiff1d(usual, list(role.special)) if role.special else usual
        return rng.choice(free if len(free) else usual, shape)

    def _mask(self, role: Role, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        keep = self._spread(shape)
        return keep if role.keep else ~keep

    def _spread(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return visibility in a mask's shape: batch first, keys last, whatever is between."""
        if len(shape) < 2:
            return np.ones(shape, bool)
        keep = self._keep(shape[0], shape[-1])
        return np.broadcast_to(keep.reshape(shape[0], *[1] * (len(shape) - 2), -1), shape)

    def _bias(self, role: Role, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        assert role.value.dtype is not None, "checked by InputMaker"
        lowest = _LOWEST[role.value.dtype]
        return np.where(self._spread(shape), 0.0, lowest)

    def _positions(
        self, role: Role, shape: tuple[int, ...], rng: np.random.Generator
    ) -> np.ndarray:
        length = shape[-1] if shape else 1
        total = self._key_length(length)
        keep = self._keep(shape[0] if len(shape) > 1 else 1, total)
        counted = positions(keep, length) if total >= length else np.arange(length)[None]
        limit = self._limit(role)
        if limit is not None:
            counted = np.minimum(counted, max(limit - 1, 0))
        return np.broadcast_to(
            counted.reshape(*counted.shape[:1], *[1] * (len(shape) - 2), length)
            if len(shape) > 1
            else counted[0],
            shape,
        )

    def _key_length(self, length: int) -> int:
        if self._total is None or not self._total.symbols <= self._sizes.keys():
            return length
        return self._total.evaluate(self._sizes)

    def _lengths(self, role: Role, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        tokens = [self._shape(r)[-1] for r in self._roles if r.kind in ("ids", "mask") and r.shape]
        total = self._key_length(max(tokens, default=1))
        return np.full(shape, total - role.short_by)

    def _switch(self, role: Role, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        # The branch that reads a cache, where there is something in it.
        pasts = [
            dim.evaluate(self._sizes)
            for r in self._roles
            for dim in r.shape
            if r.kind == "floats" and len(r.shape) == 4 and not dim.is_const
        ]
        return np.full(shape, bool(pasts) and min(pasts) > 0)

    def _size(self, role: Role, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.ones(shape, np.int64)

    def _floats(self, role: Role, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=shape) * (_LARGE if self._style == "large" else 1.0)


def _walked(limit: int, special: list[int], start: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return ids [shape] that take the rows of a table in turn, from a place in the walk on.

    Args:
        limit: Rows of the table.
        special: Ids the graph tests for, as it does for padding; no row begins with one, so
            that each keeps a key that is visible.
        start: How many ids were taken before.
        shape: Of the ids.
    """
    ends = [*range(min(_RESERVED, limit)), *(i for i in special if 0 <= i < limit), limit - 1]
    first = np.array(list(dict.fromkeys(ends)))
    rest = np.setdiff1d(np.arange(limit), first)
    order = np.concatenate([first, np.random.default_rng(limit).permutation(rest)])
    ids: np.ndarray = order[(start + np.arange(prod(shape))) % limit].reshape(shape)
    ordinary = np.setdiff1d(order, special)
    if special and len(ordinary) and len(shape) > 1:
        hidden = np.isin(ids[:, 0], special)
        ids[hidden, 0] = ordinary[-1]
    return ids
