"""Merged decoders: one file, an If on `use_cache`, a decoder without and with cache inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper


def merged(without: Path, cached: Path) -> onnx.ModelProto:
    """Return If(use_cache, cached, without), with the outputs that both have."""
    models = [onnx.load(path) for path in (without, cached)]
    count = min(len(model.graph.output) for model in models)
    inputs = {value.name: value for model in models for value in model.graph.input}
    bodies, weights = [], []
    for prefix, model in zip(("no_", "yes_"), models, strict=True):
        graph = compose.add_prefix(model, prefix, rename_inputs=False).graph
        weights += graph.initializer
        bodies.append(
            helper.make_graph(list(graph.node), f"{prefix}body", [], list(graph.output)[:count])
        )
    names = [f"out{i}" for i in range(count)]
    node = helper.make_node(
        "If", ["use_cache"], names, else_branch=bodies[0], then_branch=bodies[1]
    )
    flag = helper.make_tensor_value_info("use_cache", TensorProto.BOOL, [])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    graph = helper.make_graph([node], "merged", [*inputs.values(), flag], ends, weights)
    first = models[0]
    return helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)


def feeds(without: np.lib.npyio.NpzFile, cached: np.lib.npyio.NpzFile, path: Path) -> list[dict]:
    """Return inputs for each branch; what the other branch alone reads is filled with ones."""
    found = []
    for flag, own, other in ((False, without, cached), (True, cached, without)):
        mine = {name[3:]: own[name] for name in own if name.startswith("in:")}
        rest = {name[3:]: other[name] for name in other if name.startswith("in:")}
        graph = onnx.load(path).graph
        known = {value.name for value in graph.input}
        made = {name: value for name, value in (rest | mine).items() if name in known}
        found.append(made | {"use_cache": np.array(flag)})
    return found
