"""The module path that an exporter recorded on a node: for people, never evidence."""

from __future__ import annotations

import onnx_ir as ir

_SCOPE_KEYS = ("pkg.torch.onnx.name_scopes", "namespace")


def module_path(node: ir.Node) -> str:
    """Return the PyTorch module path recorded on the node, else its name or operator."""
    for key in _SCOPE_KEYS:
        scopes = node.metadata_props.get(key)
        if scopes:
            parts = [p.strip(" '\"") for p in scopes.strip("[]").split(",")]
            named = [p for p in parts[:-1] if p] or parts
            return named[-1].split(":")[0].strip() or node.op_type
    return node.name or node.op_type
