"""The text of a config.pbtxt, by which Triton knows a model.

**Source**: Triton's model_config.proto and its page on model configuration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.records.tensors import TensorSpec

TYPES = {
    "bool": "TYPE_BOOL", "int8": "TYPE_INT8", "uint8": "TYPE_UINT8", "int32": "TYPE_INT32",
    "int64": "TYPE_INT64", "float16": "TYPE_FP16", "bfloat16": "TYPE_BF16",
    "float32": "TYPE_FP32", "float64": "TYPE_FP64", "text": "TYPE_STRING",
}  # fmt: skip
MOST_ROWS = 64  # of one batch, where the model would take more


@dataclass(frozen=True)
class ModelConfig:
    """One model of a repository.

    Attributes:
        name: Its folder.
        backend: What runs it: `onnxruntime` or `python`.
        inputs, outputs: In order; where rows are batched, with the batch as their first axis.
        rows: Most rows that the server puts together; 0 where it does not.
        optional: Inputs that a request may leave out.
        decoupled: Whether an answer comes in several pieces.
        parameters: For the backend.
        warmup: Input -> file in the model's folder `warmup`, with its shape.
    """

    name: str
    backend: str
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    rows: int = 0
    optional: frozenset[str] = frozenset()
    decoupled: bool = False
    parameters: Mapping[str, str] | None = None
    warmup: Mapping[str, tuple[int, ...]] | None = None

    def text(self) -> str:
        """Return config.pbtxt."""
        lines = [
            f"name: {_quoted(self.name)}",
            f"backend: {_quoted(self.backend)}",
            f"max_batch_size: {self.rows}",
            *(self._tensor("input", spec) for spec in self.inputs),
            *(self._tensor("output", spec) for spec in self.outputs),
            "instance_group { count: 1 kind: KIND_CPU }",
        ]
        if self.rows:
            lines.append("dynamic_batching { max_queue_delay_microseconds: 1000 }")
        if self.decoupled:
            lines.append("model_transaction_policy { decoupled: true }")
        for key, value in (self.parameters or {}).items():
            lines.append(
                f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}"
            )
        if self.warmup:
            lines.append(self._warmed())
        return "\n".join(lines) + "\n"

    def _tensor(self, kind: str, spec: TensorSpec) -> str:
        more = " optional: true" if spec.name in self.optional else ""
        named = f"name: {_quoted(spec.name)} data_type: {TYPES[spec.dtype]}"
        return f"{kind} {{ {named} {_dims(self._sizes(spec))}{more} }}"

    def _sizes(self, spec: TensorSpec) -> list[int]:
        sizes = [size if isinstance(size, int) else -1 for size in spec.shape]
        return sizes[1:] if self.rows else sizes

    def _warmed(self) -> str:
        types = {spec.name: TYPES[spec.dtype] for spec in self.inputs}
        shapes = dict(self.warmup or {})
        rows = next(iter(shapes.values()))[0] if self.rows else 0
        inputs = "".join(
            f" inputs {{ key: {_quoted(name)} value {{ data_type: {types[name]} "
            f"{_dims(shape[1:] if self.rows else shape)} input_data_file: {_quoted(name)} }} }}"
            for name, shape in shapes.items()
        )
        return f'model_warmup {{ name: "ours" batch_size: {rows}{inputs} }}'


def rows_of(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], most: int) -> int:
    """Return how many rows may be put together: 0 unless every value has the same first axis.

    Args:
        inputs: Of the graph.
        outputs: Of the graph.
        most: What the export says of that axis.
    """
    first = {spec.shape[0] if spec.shape else None for spec in (*inputs, *outputs)}
    return min(most, MOST_ROWS) if len(first) == 1 and isinstance(next(iter(first)), str) else 0


def _dims(sizes: Sequence[int]) -> str:
    return "dims: [ " + ", ".join(map(str, sizes)) + " ]"


def _quoted(text: str) -> str:
    return json.dumps(text)
