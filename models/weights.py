"""Weights of a model: seeded random ones on demand, or tensors read from a checkpoint.

A model is built on the meta device first, so that 7B parameters cost nothing until filled.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from models.errors import ModelError

SPOOLED_BYTES = 16 << 20  # smaller tensors are not worth a file


def build_empty(make: Callable[[], nn.Module]) -> nn.Module:
    """Return make()'s module in eval mode, its parameters without storage, its buffers real."""
    with torch.device("meta"):
        return make().eval().requires_grad_(False)


def seeded_tensor(name: str, like: Tensor, seed: int, dtype: torch.dtype) -> Tensor:
    """Return random values for the parameter `name`, the same for a seed whatever came before.

    Matrices get a spread that keeps activations near 1; scales of norms lie around 1 and biases
    around 0, both with noise, so that a rewrite that drops one of them changes the output.
    """
    # The generator keeps 32 bits of its seed, so seed and name are hashed together.
    noise = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
    values = torch.randn(like.shape, generator=noise, dtype=torch.float32)
    if like.dim() >= 2:
        return values.mul_(like.shape[-1] ** -0.5).to(dtype)
    if name.endswith("weight"):
        return values.mul_(0.1).add_(1.0).to(dtype)
    return values.mul_(0.02).to(dtype)


def fill_seeded(
    model: nn.Module,
    seed: int,
    dtype: torch.dtype = torch.float32,
    spool: Path | None = None,
) -> nn.Module:
    """Give every parameter of `model` its seeded values, one parameter at a time; return it.

    With `spool`, a folder, the big ones lie in files there instead of in memory.
    """
    for name, parameter in list(model.named_parameters()):
        values = seeded_tensor(name, parameter, seed, dtype)
        if spool is not None and values.nbytes >= SPOOLED_BYTES:
            values = _spooled(values, spool)
        _set(model, name, values)
    return model


def _spooled(values: Tensor, folder: Path) -> Tensor:
    """Return the values mapped from a file that is deleted at once: its space goes with them."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".tmp-weights-")
    os.close(handle)
    try:
        size = values.numel()
        mapped = torch.from_file(name, shared=True, size=size, dtype=values.dtype)
        return mapped.copy_(values.flatten()).reshape(values.shape)
    finally:
        os.unlink(name)


def fill(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> nn.Module:
    """Give every parameter of `model` the tensor of its name and return it.

    Raises:
        ModelError: A tensor is missing, left over, or has another shape.
    """
    wanted = dict(model.named_parameters())
    missing, extra = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    if missing or extra:
        raise ModelError(
            f"{len(missing)} weights are missing ({_few(missing)}) and "
            f"{len(extra)} are unknown ({_few(extra)})",
            where=where,
            fix="check that config and weights belong together and that no file is missing",
        )
    for name, parameter in wanted.items():
        if parameter.shape != tensors[name].shape:
            raise ModelError(
                f"{name} has shape {list(tensors[name].shape)}, "
                f"the configuration asks for {list(parameter.shape)}",
                where=where,
                fix="check that config and weights belong together",
            )
        _set(model, name, tensors[name])
    return model


def _set(model: nn.Module, name: str, values: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    owner = model.get_submodule(path)
    setattr(owner, leaf, nn.Parameter(values, requires_grad=False))


def _few(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"{shown}, ..." if len(names) > 3 else shown or "none"
