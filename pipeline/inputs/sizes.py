"""Sizes for the symbolic dims of a graph's inputs that agree with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline import errors
from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.inputs.roles import Role
from pipeline.inputs.size_kinds import SizeKind, channels_of, key_length, size_kinds

# Sizes per class of dim and variant; each class differs between variants, and between two
# names of one class, so that swapped dims cannot go unnoticed.
_CHOICES: dict[SizeKind, tuple[int, ...]] = {
    "batch": (2, 3, 1, 2),
    "sequence": (8, 5, 6, 11),
    "past": (3, 5, 0, 1),
    "image": (224, 192, 256, 224),
    "samples": (4000, 4480, 5120, 4000),
    "frames": (96, 128, 64, 96),
    "channels": (3, 3, 3, 3),
}
_SHIFT: dict[SizeKind, int] = {
    "batch": 0,
    "channels": 0,
    "sequence": 3,
    "past": 2,
    "image": 0,
    "frames": 32,
    "samples": 320,
}


@dataclass(frozen=True)
class Relation:
    """Two expressions over sizes that are equal whenever the graph is used as meant.

    Attributes:
        left: One side.
        right: The other.
        strict: Whether the graph cannot run otherwise; a broadcast also runs with a 1.
    """

    left: Dim
    right: Dim
    strict: bool


class Sizes:
    """The symbolic dims of a graph's inputs, what ties them, and how to choose them.

    Args:
        facts: Facts of the model.
        roles: Roles of its inputs, in order.
    """

    def __init__(self, facts: Facts, roles: Sequence[Role]) -> None:
        self._roles = roles
        self._names = _names(facts, roles)
        self._declared = {
            str(getattr(dim, "value", None)) for role in roles for dim in role.value.shape or ()
        }
        self._kinds: dict[str, SizeKind] = size_kinds(facts, roles)
        total = key_length(facts, roles)
        self.relations = [
            *(Relation(a, b, True) for a, b in facts.equalities),
            *(Relation(a, b, False) for a, b in facts.assumed),
            *_channels(facts, roles),
            *_mask_lengths(roles, self._kinds, total),
        ]
        self.images = self._named_kind("image")
        self.sequences = self._named_kind("sequence")
        self.pasts = self._named_kind("past")
        self.batches = self._named_kind("batch")

    def choose(
        self, pins: Mapping[str, int] | None = None, variant: int = 0, *, short: bool = False
    ) -> dict[str, int]:
        """Return a size for every symbol.

        Args:
            pins: Sizes by declared name.
            variant: Which of several distinct assignments.
            short: Whether sequences have length 1 where nothing else is pinned.

        Raises:
            UsageError: a pin names no dim of an input, or pins contradict each other.
        """
        pins = pins or {}
        for shrink in range(4):
            known = self._filled(pins, variant, shrink, short)
            try:
                self._check(known, pins)
                return known
            except errors.UsageError:
                # A table or a frozen size may be smaller than what we like to choose.
                if shrink == 3:
                    raise
        raise AssertionError("the last round returns or raises")

    def _named_kind(self, wanted: SizeKind) -> set[str]:
        symbols = [Dim.of(s) for s, kind in self._kinds.items() if kind == wanted]
        return {name for name, dim in self._names.items() if dim in symbols}

    def free(self) -> set[str]:
        """Return the names that can be chosen; the other sizes follow from them."""
        chosen: list[str] = []
        self._filled({}, 0, 0, False, chosen)
        return {n for n, dim in self._names.items() if any(dim == Dim.of(s) for s in chosen)}

    def _filled(
        self,
        pins: Mapping[str, int],
        variant: int,
        shrink: int,
        short: bool,
        chosen: list[str] | None = None,
    ) -> dict[str, int]:
        known = self._pinned(pins)
        for symbol in self._order():
            self._deduce(known, pins)
            if symbol not in known:
                one = short and self._kinds[symbol] == "sequence"
                size = self._default(symbol, variant)
                known[symbol] = 1 if one else max(size >> shrink, min(size, 1))
                if chosen is not None:
                    chosen.append(symbol)
        self._deduce(known, pins)
        return known

    def named(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return the size of every declared name."""
        return {
            name: dim.evaluate(sizes)
            for name, dim in self._names.items()
            if dim.symbols <= sizes.keys()
        }

    def _pinned(self, pins: Mapping[str, int]) -> dict[str, int]:
        unknown = sorted(set(pins) - self._names.keys())
        if unknown:
            raise errors.UsageError(
                f"no input has a size named {', '.join(unknown)}",
                fix=f"the sizes are {', '.join(sorted(self._names)) or 'all fixed'}",
            )
        negative = [f"{name}={size}" for name, size in pins.items() if size < 0]
        if negative:
            raise errors.UsageError(f"sizes cannot be negative: {', '.join(negative)}")
        known: dict[str, int] = {}
        for name, size in pins.items():
            dim = self._names[name]
            if len(dim.symbols) == 1 and dim == Dim.of(next(iter(dim.symbols))):
                known[next(iter(dim.symbols))] = size
        return known

    def _order(self) -> list[str]:
        """Return the symbols, those that a relation defines alone on one side last."""
        defined = {
            str(side)
            for relation in self.relations
            for side, other in ((relation.left, relation.right), (relation.right, relation.left))
            if str(side) in self._kinds and len(other.symbols) > 1
        }
        return sorted(self._kinds, key=lambda symbol: symbol in defined)

    def _deduce(self, known: dict[str, int], pins: Mapping[str, int]) -> None:
        """Fill in symbols that a relation, or the name of a sum, leaves no choice for."""
        pinned = [Relation(self._names[n], Dim.of(size), True) for n, size in pins.items()]
        progress = True
        while progress:
            progress = False
            for relation in [*pinned, *self.relations]:
                difference = (relation.left - relation.right).substitute(
                    {name: Dim.of(size) for name, size in known.items()}
                )
                solved = _solved(difference)
                if solved is not None and solved[0] in self._kinds and solved[1] >= 0:
                    known[solved[0]] = solved[1]
                    progress = True

    def _check(self, sizes: Mapping[str, int], pins: Mapping[str, int]) -> None:
        for name, size in pins.items():
            if self.named(sizes).get(name, size) != size:
                raise _contradiction(f"{name}={size}", f"{name} = {self._names[name]}", sizes)
        for relation in self.relations:
            if not (relation.left.symbols | relation.right.symbols) <= sizes.keys():
                continue
            left, right = relation.left.evaluate(sizes), relation.right.evaluate(sizes)
            excused = not relation.strict and 1 in (left, right)
            if left != right and not excused:
                raise _contradiction(
                    f"{left} and {right}", f"{relation.left} = {relation.right}", sizes
                )

    def _default(self, symbol: str, variant: int) -> int:
        kind = self._kinds[symbol]
        choices = _CHOICES[kind]
        size = choices[variant % len(choices)]
        if kind == "batch" or symbol not in self._declared:
            return size  # unnamed dims of one class are most likely the same
        peers = [s for s, k in self._kinds.items() if k == kind and s in self._declared]
        return size + _SHIFT[kind] * peers.index(symbol) if size else 0


def _contradiction(what: str, rule: str, sizes: Mapping[str, int]) -> errors.UsageError:
    shown = ", ".join(f"{name}={size}" for name, size in sizes.items())
    return errors.UsageError(
        f"the sizes contradict each other: {what}, where the graph needs {rule}",
        where=shown,
        fix="leave one of them out, and it is worked out from the others",
    )


def _solved(difference: Dim) -> tuple[str, int] | None:
    """Return the one symbol that is left and its value, None where there is no such thing."""
    symbols = difference.symbols
    if len(symbols) != 1 or any(not isinstance(atom, str) for atom in difference.atoms):
        return None
    symbol = next(iter(symbols))
    at_zero = difference.substitute({symbol: Dim.of(0)}).const
    slope = difference.substitute({symbol: Dim.of(1)}).const
    if at_zero is None or slope is None or slope == at_zero:
        return None
    value, rest = divmod(-at_zero, slope - at_zero)
    exact = rest == 0 and difference.substitute({symbol: Dim.of(value)}).const == 0
    return (symbol, value) if exact else None


def _names(facts: Facts, roles: Sequence[Role]) -> dict[str, Dim]:
    names: dict[str, Dim] = {}
    for role in roles:
        for declared, dim in zip(role.value.shape or (), role.shape, strict=False):
            name = getattr(declared, "value", None)
            if isinstance(name, str):
                names.setdefault(name, dim)
    for symbol in {s for role in roles for dim in role.shape for s in dim.symbols}:
        names.setdefault(symbol, Dim.of(symbol))
    return names


def _channels(facts: Facts, roles: Sequence[Role]) -> list[Relation]:
    found = ((role, channels_of(facts, role)) for role in roles)
    return [Relation(role.shape[1], size, True) for role, size in found if size is not None]


def _mask_lengths(
    roles: Sequence[Role], kinds: Mapping[str, SizeKind], total: Dim | None
) -> list[Relation]:
    """Return what ties the lengths only masks have: the keys they mask."""
    others = {s for role in roles if role.kind != "mask" for d in role.shape for s in d.symbols}
    lengths = [
        dim
        for role in roles
        if role.kind == "mask" and role.shape
        for dim in role.shape[-1:]
        if len(dim.symbols) == 1 and not dim.symbols & others
    ]
    if total is None:
        # Without a cache a mask is as long as the tokens.
        tokens = [r.shape[-1] for r in roles if r.kind == "ids" and len(r.shape) == 2]
        total = tokens[0] if tokens else None
    batches = [Dim.of(s) for s, kind in kinds.items() if kind == "batch"]
    return [
        *(Relation(dim, total, False) for dim in lengths if total is not None),
        *(Relation(batches[0], other, False) for other in batches[1:]),
    ]
