"""Nested values are taken apart by name and put together as the kinds they were."""

from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType

import pytest
import torch

from pipeline.stages.export.structure import leaves, rebuilt

Pair = namedtuple("Pair", "x mask")
A, B = torch.zeros(2), torch.ones(3)


@dataclass(frozen=True)
class Frozen:
    x: torch.Tensor
    size: int = 3


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"a": A, "b": [B, 2.0]}, ["top.a", "top.b.0", "top.b.1"]),
        (Pair(A, B), ["top.x", "top.mask"]),
        (Frozen(A), ["top.x", "top.size"]),
        ((A, None, {"deep": (B,)}), ["top.0", "top.1", "top.2.deep.0"]),
        (OrderedDict(b=B, a=A), ["top.b", "top.a"]),
        (UserDict(a=A), ["top.a"]),
        (MappingProxyType({"a": A}), ["top.a"]),
        (A, ["top"]),
        ("text", ["top"]),
        (Frozen, ["top"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_taken_apart_is_put_together_again(value, names):
    found = list(leaves(value, "top"))
    assert [name for name, _ in found] == names
    tensors = [leaf for _, leaf in found if isinstance(leaf, torch.Tensor)]
    new = [tensor + 7 for tensor in tensors]
    made = rebuilt(value, iter(new))
    assert type(made) is (dict if isinstance(value, MappingProxyType) else type(value))
    again = list(leaves(made, "top"))
    assert [name for name, _ in again] == names
    changed = iter(new)
    for (_, leaf), (_, was) in zip(again, found, strict=True):
        assert leaf is (next(changed) if isinstance(was, torch.Tensor) else was)


def test_what_holds_no_tensor_is_handed_on_as_it_is():
    sizes = [1, 2]
    assert rebuilt({"sizes": sizes, "x": A}, iter([B]))["sizes"] is sizes
