"""Activation functions, standard and com.microsoft."""

from __future__ import annotations

import torch
from torch.nn import functional

from pipeline.judge.op import Kernel, Op, Table, Tensor, always

_MS = "com.microsoft"


def gelu(op: Op) -> Kernel:
    """Return x * Phi(x), or its tanh approximation where the node asks for it."""
    approximate = op.get("approximate", "none")
    return lambda x: functional.gelu(x, approximate=approximate)


def bias_gelu(x: Tensor, bias: Tensor) -> Tensor:
    """Return gelu(x + bias), the exact form."""
    return functional.gelu(x + bias)


def fast_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the tanh form of gelu(x + bias).

    ONNX Runtime rounds the constants to 0.797885 and 0.035677; the judge keeps them exact,
    a difference below 1e-6.
    """
    return functional.gelu(x if bias is None else x + bias, approximate="tanh")


def _scaled_sigmoid(default: float) -> Kernel:
    def make(op: Op) -> Kernel:
        alpha = op.get("alpha", default)
        return lambda x: x * torch.sigmoid(x if alpha == 1.0 else alpha * x)

    return make


def leaky_relu(op: Op) -> Kernel:
    """Return x for x >= 0, alpha * x below."""
    alpha = op.get("alpha", 0.01)
    return lambda x: functional.leaky_relu(x, alpha)


def elu(op: Op) -> Kernel:
    """Return x for x >= 0, alpha * (exp(x) - 1) below."""
    alpha = op.get("alpha", 1.0)
    return lambda x: torch.where(x < 0, alpha * torch.expm1(x), x)


def celu(op: Op) -> Kernel:
    """Return max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    alpha = op.get("alpha", 1.0)
    return lambda x: x.clamp(min=0) + (alpha * torch.expm1(x / alpha)).clamp(max=0)


def selu(op: Op) -> Kernel:
    """Return gamma * elu(x, alpha)."""
    alpha, gamma = op.get("alpha", 1.67326319217681884765625), op.get("gamma", 1.05070102214813)
    return lambda x: gamma * torch.where(x > 0, x, alpha * torch.expm1(x))


def hard_sigmoid(op: Op) -> Kernel:
    """Return alpha * x + beta limited to [0, 1]."""
    alpha, beta = op.get("alpha", 0.2), op.get("beta", 0.5)
    return lambda x: (alpha * x + beta).clamp(0, 1)


def thresholded_relu(op: Op) -> Kernel:
    """Return x where x > alpha, else 0."""
    alpha = op.get("alpha", 1.0)
    return lambda x: torch.where(x > alpha, x, torch.zeros((), dtype=x.dtype))


def shrink(op: Op) -> Kernel:
    """Return x moved by bias toward zero outside [-lambd, lambd], 0 inside."""
    limit, bias = op.get("lambd", 0.5), op.get("bias", 0.0)

    def kernel(x: Tensor) -> Tensor:
        inner = torch.where(x > limit, x - bias, torch.zeros((), dtype=x.dtype))
        return torch.where(x < -limit, x + bias, inner)

    return kernel


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """Return x for x >= 0, slope * x below; slope broadcasts to x."""
    return torch.where(x < 0, slope * x, x)


TABLE: Table = {
    ("", "Relu"): always(torch.relu),
    ("", "Gelu"): gelu,
    ("", "Swish"): _scaled_sigmoid(1.0),
    ("", "LeakyRelu"): leaky_relu,
    ("", "Elu"): elu,
    ("", "Celu"): celu,
    ("", "Selu"): selu,
    ("", "HardSigmoid"): hard_sigmoid,
    ("", "HardSwish"): always(lambda x: x * (x / 6 + 0.5).clamp(0, 1)),
    ("", "Mish"): always(functional.mish),
    ("", "PRelu"): always(prelu),
    ("", "Shrink"): shrink,
    ("", "Softplus"): always(lambda x: torch.logaddexp(x, torch.zeros((), dtype=x.dtype))),
    ("", "Softsign"): always(functional.softsign),
    ("", "ThresholdedRelu"): thresholded_relu,
    (_MS, "Gelu"): always(functional.gelu),
    (_MS, "BiasGelu"): always(bias_gelu),
    (_MS, "FastGelu"): always(fast_gelu),
    (_MS, "QuickGelu"): _scaled_sigmoid(1.702),
}
