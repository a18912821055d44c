"""What an inference function sees of one node, and what it says about the node's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple, TypeAlias

import numpy as np
import onnx_ir as ir

from pipeline.graph.dims import ONE, Atom, Dim, is_nonnegative

Dims: TypeAlias = "tuple[Dim, ...]"
MOST_WEIGHT = 80  # sizes of real models stay below 30; hostile ones double at every node
INTS_LIMIT = 64  # longest tensor whose contents are followed symbolically


class Info(NamedTuple):
    """What is known of a tensor.

    Attributes:
        shape: Its dims, None when not even the rank is known.
        dtype: Its element type.
        ints: The contents in row-major order, for small tensors of fixed shape that hold whole
            numbers (also as floats or booleans).
    """

    shape: Dims | None = None
    dtype: ir.DataType | None = None
    ints: Dims | None = None


UNKNOWN = Info()


def grid(info: Info) -> np.ndarray | None:
    """Return the contents as an array of Dims in the tensor's shape."""
    if info.ints is None or info.shape is None:
        return None
    array = np.empty(len(info.ints), dtype=object)
    array[:] = info.ints
    return array.reshape([d.const or 0 for d in info.shape])


def flat(array: np.ndarray | None) -> Dims | None:
    """Return contents in row-major order, None for none or too many."""
    if array is None or array.size > INTS_LIMIT:
        return None
    return tuple(array.reshape(-1).tolist())


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

    def bounded(self, info: Info) -> Info:
        """Return the facts with a fresh size or number for each one grown out of hand."""
        if all(d.weight <= MOST_WEIGHT for d in (*(info.shape or ()), *(info.ints or ()))):
            return info
        shape, ints = info.shape, info.ints
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
        """Return the size both broadcast to; two declared sizes are assumed equal."""
        if left == right or right == ONE:
            return left
        if left == ONE:
            return right
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


class Call:
    """One node with what is known of its inputs."""

    __slots__ = ("infos", "node", "outer", "unifier", "version")

    def __init__(
        self, node: ir.Node, infos: Sequence[Info | None], outer: Outer, version: int
    ) -> None:
        self.node, self.infos, self.outer, self.version = node, infos, outer, version
        self.unifier = outer.unifier

    def info(self, index: int) -> Info:
        """Return what is known of an input; an omitted one is unknown."""
        found = self.infos[index] if index < len(self.infos) else None
        return found or UNKNOWN

    def has(self, index: int) -> bool:
        """Return whether the input is given."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def shape(self, index: int) -> Dims | None:
        """Return an input's shape."""
        return self.info(index).shape

    def rank(self, index: int) -> int | None:
        """Return an input's rank."""
        shape = self.info(index).shape
        return None if shape is None else len(shape)

    def dtype(self, index: int = 0) -> ir.DataType | None:
        """Return an input's element type."""
        return self.info(index).dtype

    def known_ints(self, index: int) -> Dims | None:
        """Return an input's contents where they are known, in row-major order."""
        info = self.info(index)
        if info.ints is not None or info.shape is None or not self.has(index):
            return info.ints
        sizes = [d.const for d in info.shape]
        if None in sizes or prod(n for n in sizes if n is not None) > INTS_LIMIT:
            return None
        array = self.array(index)
        if array is None or array.dtype.kind not in "iub":
            return None
        return tuple(Dim.of(int(x)) for x in array.reshape(-1))

    def ints(self, index: int) -> Dims | None:
        """Return an input's contents, unknown ones as fresh integers; None for unknown length."""
        info, known = self.info(index), self.known_ints(index)
        if known is not None or info.shape is None or len(info.shape) > 1:
            return known
        length = 1 if not info.shape else info.shape[0].const
        if length is None or length > INTS_LIMIT:
            return None
        return tuple(self.unifier.fresh_integer() for _ in range(length))

    def const_ints(self, index: int) -> list[int] | None:
        """Return an input's contents when all are numbers."""
        found = self.known_ints(index)
        if found is None:
            array = self.array(index)
            return None if array is None else [int(x) for x in array.reshape(-1)]
        numbers = [d.const for d in found]
        return None if None in numbers else [n for n in numbers if n is not None]

    def grid(self, index: int) -> np.ndarray | None:
        """Return an input's contents as an array of Dims in its shape."""
        info = self.info(index)
        return None if info.shape is None else grid(info._replace(ints=self.known_ints(index)))

    def array(self, index: int) -> np.ndarray | None:
        """Return a small constant input's value."""
        if not self.has(index):
            return None
        value = self.node.inputs[index]
        assert value is not None
        return self.outer.small_const(value)

    def attr(self, name: str, default: object = None) -> object:
        """Return an attribute's value, whatever its type."""
        found = self.node.attributes.get(name)
        return default if found is None or found.is_ref() else found.value

    def int_attr(self, name: str, default: int = 0) -> int:
        """Return an integer attribute."""
        value = self.attr(name, default)
        return value if isinstance(value, int) else default

    def ints_attr(self, name: str) -> list[int] | None:
        """Return an attribute that is a list of integers, None if absent."""
        value = self.attr(name)
        if isinstance(value, (list, tuple)):
            return [int(v) for v in value]
        return None

    def text_attr(self, name: str, default: str = "") -> str:
        """Return a string attribute."""
        value = self.attr(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    def fresh(self, rank: int) -> Dims:
        """Return that many unknown sizes."""
        return tuple(self.unifier.fresh() for _ in range(rank))

    def size(self, value: Dim) -> Dim:
        """Return an integer of the graph used as a size; from data, it may be -1 or 0."""
        if any(s.startswith("?") for s in value.symbols):
            return self.unifier.fresh()
        return value


class Outer:
    """What inference functions may ask beyond their node; `Facts` provides it."""

    unifier: Unifier

    def small_const(self, value: ir.Value) -> np.ndarray | None:
        """Return the value of a small constant."""
        raise NotImplementedError

    def info_of(self, value: ir.Value | None) -> Info:
        """Return what is known of any value seen so far."""
        raise NotImplementedError

    def infer_body(self, graph: ir.Graph, inputs: Sequence[Info]) -> list[Info]:
        """Infer a subgraph and return what is known of its outputs."""
        raise NotImplementedError


Infer: TypeAlias = Callable[[Call], Sequence[Info]]


def axis_of(axis: int, rank: int) -> int | None:
    """Return the axis counted from the front, None when the tensor has no such axis."""
    axis = axis + rank if axis < 0 else axis
    return axis if 0 <= axis < rank else None


def axes_argument(call: Call, rank: int, index: int = 1) -> list[int] | None:
    """Return the axes of a node that takes them as attribute (old opsets) or as input.

    An absent argument gives an empty list, one that is not known gives None.
    """
    axes = call.ints_attr("axes")
    if axes is None and call.has(index):
        axes = call.const_ints(index)
        if axes is None:
            return None
    normal = [axis_of(a, rank) for a in axes or []]
    return None if any(a is None for a in normal) else [a for a in normal if a is not None]
