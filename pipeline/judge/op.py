"""What a kernel maker knows about its node, and the shape of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, TypeAlias

import onnx_ir as ir
import torch

from pipeline.judge.dtypes import Precision

Tensor: TypeAlias = torch.Tensor
# A kernel takes the node's inputs in order (None for an omitted one, then whatever the
# node's subgraphs capture) and returns its tensor, or a tuple when it has several outputs.
Kernel: TypeAlias = Callable[..., Any]


class Body(Protocol):
    """A subgraph ready to run."""

    def __call__(self, inputs: Sequence[Any], captured: Sequence[Any]) -> list[Any]:
        """Return the subgraph's outputs for its formal inputs and the captured values."""


@dataclass
class Op:
    """One node, decoded once so that its kernel pays nothing per call.

    Attributes:
        kind: Operator name.
        domain: Operator domain, "" for ai.onnx.
        version: Opset version the model imports for that domain.
        attributes: Decoded values: int, float, str, tuples of those, ir tensors.
        input_types: Declared element type of each input, None where unknown.
        outputs: Whether each output is wanted by name.
        precision: How this judge holds floats.
        bodies: Subgraphs by attribute name.
    """

    kind: str
    domain: str
    version: int
    attributes: Mapping[str, Any]
    input_types: tuple[ir.DataType | None, ...]
    outputs: tuple[bool, ...]
    precision: Precision
    bodies: Mapping[str, Body] = field(default_factory=dict)

    @property
    def arity(self) -> int:
        """Number of explicit inputs, omitted ones in between included."""
        return len(self.input_types)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute's value, or the default."""
        return self.attributes.get(name, default)

    def wants(self, index: int) -> bool:
        """Return whether the output of that index is used by name."""
        return index < len(self.outputs) and self.outputs[index]

    def held(self, code: int) -> torch.dtype:
        """Return the type in which a tensor of an ONNX element type code is held."""
        return self.precision.held(ir.DataType(code))


Maker: TypeAlias = Callable[[Op], Kernel]
Table: TypeAlias = Mapping[tuple[str, str], Maker]


def left_to_reference(*_inputs: object) -> NoReturn:
    """Be the kernel of a node that onnx.reference runs better: the judge hands it over."""
    raise NotImplementedError


def always(kernel: Kernel) -> Maker:
    """Return the maker of a kernel that needs nothing from its node."""
    return lambda _op: kernel
