"""Which sizes are equal, and fresh names for those nothing is known about."""

from __future__ import annotations

from pipeline.graph.inference.info import Dims, Info
from pipeline.graph.sizes.dims import ONE, Dim, product
from pipeline.graph.sizes.polynomials import Atom
from pipeline.graph.sizes.signs import is_nonnegative

MOST_WEIGHT = 80  # sizes of real models stay below 30; hostile ones double at every node


class ContradictionError(ValueError):
    """Two fixed sizes that no input makes equal: the node they meet at cannot run."""


class Unifier:
    """The equalities between sizes that a graph's operators imply, and fresh sizes.

    Without `assume`, only what must be equal for the graph to run is taken to be equal.
    """

    def __init__(self, assume: bool = True) -> None:
        self._assume = assume
        self.equalities: list[tuple[Dim, Dim]] = []
        self.assumed: list[tuple[Dim, Dim]] = []
        self.bindings: dict[Atom, Dim] = {}
        self.branch_depth = 0
        self._fresh = 0
        self._sizes: set[Dim] = set()

    def seen(self, shape: Dims | None) -> None:
        """Note the dims of a tensor: they are at least 0 even if their form does not show it."""
        for dim in shape or ():
            if any(c < 0 for _, c in dim.terms):
                self._sizes.add(dim)

    def nonnegative(self, dim: Dim) -> bool:
        """Return whether the dim is known to be at least 0."""
        return dim in self._sizes or is_nonnegative(dim)

    def fresh(self) -> Dim:
        """Return a size nothing is known about, at least 0."""
        self._fresh += 1
        return Dim.of(f"${self._fresh}")

    def fresh_integer(self) -> Dim:
        """Return an integer nothing is known about."""
        self._fresh += 1
        return Dim.of(f"?{self._fresh}")

    def resolve(self, dims: Dims | None) -> Dims | None:
        """Return the dims with everything known to be equal written the same way."""
        if dims is None or not self.bindings:
            return dims
        return tuple(d.substitute(self.bindings) for d in dims)

    def settled(self, info: Info) -> Info:
        """Return the facts without contents that do not fit the shape, and within bounds.

        A size that has grown out of hand, as only hostile graphs make them, gets a fresh name.
        """
        shape, ints = info.shape, info.ints
        if ints is not None and (shape is None or product(shape) != len(ints)):
            ints = None
        if all(d.weight <= MOST_WEIGHT for d in (*(shape or ()), *(ints or ()))):
            return Info(shape, info.dtype, ints)
        if shape is not None:
            shape = tuple(d if d.weight <= MOST_WEIGHT else self.fresh() for d in shape)
        if ints is not None:
            ints = tuple(d if d.weight <= MOST_WEIGHT else self.fresh_integer() for d in ints)
        return Info(shape, info.dtype, ints)

    def unify(self, left: Dim, right: Dim, *, assumed: bool = False) -> Dim:
        """Record that both are equal and return the form to use."""
        left, right = self.resolve((left, right)) or (left, right)
        if left == right or (left.is_const and right.is_const):
            return left
        # Inside a branch an equality binds only when the branch runs.
        record = self.assumed if assumed or self.branch_depth else self.equalities
        record.append((left, right))
        solved = _solve(left, right)
        if solved is None:
            return min(left, right, key=lambda d: len(str(d)))
        atom, value = solved
        binding: dict[Atom, Dim] = {atom: value}
        for key, old in self.bindings.items():
            self.bindings[key] = old.substitute(binding)
        self.bindings[atom] = value
        return left.substitute(binding)

    def broadcast_dim(self, left: Dim, right: Dim) -> Dim:
        """Return the size both broadcast to; two declared sizes are assumed equal.

        Raises:
            ContradictionError: Both are numbers, and neither the same nor 1.
        """
        if left == right or right == ONE:
            return left
        if left == ONE:
            return right
        if left.is_const and right.is_const:
            raise ContradictionError(f"an axis of {left} meets an axis of {right}")
        fixed = left.is_const or right.is_const
        if fixed or not self._assume or _is_vague(left) or _is_vague(right):
            return left.broadcast(right)
        return self.unify(left, right, assumed=True)

    def broadcast(self, *shapes: Dims | None) -> Dims | None:
        """Return the shape all broadcast to, None if one of them is unknown."""
        result: Dims = ()
        for shape in shapes:
            if shape is None:
                return None
            long, short = (result, shape) if len(result) >= len(shape) else (shape, result)
            lead = len(long) - len(short)
            tail = [self.broadcast_dim(a, b) for a, b in zip(long[lead:], short, strict=True)]
            result = (*long[:lead], *tail)
        return self.resolve(result)


def _is_vague(dim: Dim) -> bool:
    """Return whether the size comes from data or from a broadcast, so that it may well be 1."""
    for atom in dim.atoms:
        if isinstance(atom, str) and atom[0] in "$?":
            return True
        if not isinstance(atom, str) and atom[0] == "broadcast":
            return True
    return False


def _solve(left: Dim, right: Dim) -> tuple[Atom, Dim] | None:
    """Return an atom and what it must be for both sides to be equal."""
    difference = left - right
    inside = {
        inner
        for atom in difference.atoms
        if not isinstance(atom, str)
        for side in atom[1:]
        for inner in side.atoms
    }
    options: list[tuple[tuple[int, bool, bool], Atom, Dim]] = []
    for monomial, c in difference.terms:
        if len(monomial) != 1 or monomial[0][1] != 1 or abs(c) != 1:
            continue
        atom = monomial[0][0]
        if atom in inside or sum(a == atom for m, _ in difference.terms for a, _ in m) > 1:
            continue
        value = Dim({monomial: 1}) - difference * c
        alone = Dim({monomial: 1}) in (left, right)
        options.append(((_standing(atom), not is_nonnegative(value), not alone), atom, value))
    if not options:
        return None
    (standing, open_sign, mixed), atom, value = min(options, key=lambda o: o[0])
    return (atom, value) if standing == 0 or not open_sign or not mixed else None


def _standing(atom: Atom) -> int:
    """Return how much a reader would miss the atom: unknown sizes go first, names last."""
    if isinstance(atom, str):
        return 0 if atom[0] in "$?" else 2
    return 1
