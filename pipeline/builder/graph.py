"""What the stage needs to know of one ONNX file before the builder sees it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from pipeline.builder.preflight_attention import attentions
from pipeline.builder.seen import Seen
from pipeline.builder.shapes import InputSpec
from pipeline.graph.files.model_file import load_model
from pipeline.graph.module_path import module_path

_HEAVY = frozenset({"MatMul", "Gemm", "Attention", "Conv"})
_WORDS = {"FLOAT": "fp32", "FLOAT16": "fp16", "BFLOAT16": "bf16", "DOUBLE": "fp64"}


@dataclass(frozen=True, eq=False)
class Graph:
    """One file's inputs, names and counts.

    Attributes:
        seen: The model with what is known of its values.
        inputs: Its real inputs.
        paths: Module path by node name.
        precision: The type most matrix products run in: fp32, fp16, bf16.
        attention_count: Standard Attention operators.
        softmax_count: Softmax operators left.
        external: Files its weights lie in.
    """

    seen: Seen
    inputs: tuple[InputSpec, ...]
    paths: dict[str, str]
    precision: str
    attention_count: int
    softmax_count: int
    external: frozenset[Path]


def read_graph(path: Path) -> Graph:
    """Return what is known of a file.

    Raises:
        BadModelError: It cannot be read.
    """
    seen = Seen(load_model(path))
    return Graph(
        seen=seen,
        inputs=seen.inputs(),
        paths={n.name: module_path(n) for n in seen.nodes if n.name},
        precision=precision_of(seen),
        attention_count=len(attentions(seen)),
        softmax_count=sum(n.op_type == "Softmax" for n in seen.nodes),
        external=frozenset(path.parent / name for name in external_files(seen.model)),
    )


def precision_of(seen: Seen) -> str:
    """Return the type most matrix products take in, fp32 where nothing is known."""
    votes: Counter[str] = Counter()
    for node in seen.nodes:
        if node.op_type in _HEAVY and node.inputs:
            dtype = seen.dtype(node.inputs[0]) or seen.dtype(node.outputs[0])
            if dtype is not None and dtype.name in _WORDS:
                votes[_WORDS[dtype.name]] += 1
    return votes.most_common(1)[0][0] if votes else "fp32"


def external_files(model: ir.Model) -> set[str]:
    """Return the names of the files that hold a model's weights."""
    values = (v for g in (model.graph, *model.graph.subgraphs()) for v in g.initializers.values())
    tensors = (value.const_value for value in values)
    return {str(t.location) for t in tensors if isinstance(t, ir.ExternalTensor)}
