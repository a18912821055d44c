"""The graphs that are optimized: exported by torch, weights where the report wants them."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

AXES = {"input_ids": {0: "batch", 1: "seq"}, "attention_mask": {0: "batch", 1: "seq"}}
ALIGNMENT = 4096


def exported(model, path: Path | None = None):
    import torch

    ids = torch.ones(2, 8, dtype=torch.long)
    program = torch.onnx.export(
        model, (), kwargs={"input_ids": ids, "attention_mask": ids}, dynamo=True, opset_version=18,
        dynamic_shapes=AXES, verbose=False, optimize=path is not None,
    )  # fmt: skip
    if path is not None:
        program.save(path, external_data=True)
    return program


def make_bert(path: Path, layers: int, hidden: int) -> None:
    import transformers

    small = {} if hidden == 768 else {"vocab_size": 128, "num_attention_heads": 4}
    config = transformers.BertConfig(
        num_hidden_layers=layers, hidden_size=hidden, attn_implementation="eager",
        intermediate_size=4 * hidden, **small,
    )  # fmt: skip
    exported(transformers.BertModel(config).eval(), path)


def make_llama_7b(path: Path) -> None:
    """Write a Llama 2 7B in float16, its weights zeros in a file without blocks."""
    import torch
    import transformers

    config = transformers.LlamaConfig(
        hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, intermediate_size=11008,
        vocab_size=32000, use_cache=False, attn_implementation="eager",
    )  # fmt: skip
    with torch.device("meta"):
        model = transformers.LlamaModel(config).half().eval()
    model = model.to_empty(device="cpu")  # pages that nobody touches
    model.rotary_emb = type(model.rotary_emb)(config)  # computed, not a weight
    graph = exported(model).model
    _sparse(graph, path.with_name("model.data"))
    ir.save(graph, path)


def _sparse(model: ir.Model, data: Path) -> None:
    """Point every large initializer into a file of the right length, transposed where wanted."""
    place = 0
    for value in list(model.graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or tensor.nbytes < ALIGNMENT:
            continue
        shape = list(tensor.shape)
        readers = list(value.consumers())
        if all(node.op_type == "Transpose" for node in readers):
            shape.reverse()
            for node in readers:
                ir.convenience.replace_all_uses_with(node.outputs[0], value)
                model.graph.remove(node, safe=True)
        value.shape = ir.Shape(shape)
        value.const_value = ir.ExternalTensor(
            data.name, place, tensor.nbytes, tensor.dtype, shape=value.shape, name=value.name or "",
            base_dir=data.parent,
        )  # fmt: skip
        place += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
    with data.open("wb") as file:
        file.truncate(place)
