"""The `pipeline` command group."""

from __future__ import annotations

import click


@click.group()
def main() -> None:
    """Take a PyTorch transformer to a fused ONNX graph and a TensorRT engine, with proof."""
