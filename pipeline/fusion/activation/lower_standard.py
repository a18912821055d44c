"""The written-out activation -> Gelu or Swish, the standard operators.

    x/2 * (1 + erf(x / sqrt(2)))                                 ->  Gelu(x)
    x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))            ->  Gelu(x, approximate="tanh")
    x * sigmoid(alpha * x)                                       ->  Swish(x, alpha)

Source: ONNX Gelu (opset 20) and Swish (opset 24).
Exact: rounding only.
Applies when: the recogniser filled the roles. Swish is not for ONNX Runtime's CPU, where it is
slower than Sigmoid and Mul.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.activation.find import ActivationSite
from pipeline.fusion.activation.lower_parts import finished
from pipeline.fusion.lowering import Exactness
from pipeline.graph.rewriting.emit import Emitter
from pipeline.types import TARGETS


@dataclass(frozen=True)
class FuseGelu:
    """Lowers both forms of GELU for every target."""

    name: str = "fuse_gelu"
    targets: frozenset[str] = frozenset(TARGETS)
    opset: int = 20
    source: str = "https://onnx.ai/onnx/operators/onnx__Gelu.html"
    exact: Exactness = "rounding"

    def lower(self, site: ActivationSite, emit: Emitter) -> tuple[ir.Value, ...] | None:
        """Return the activation, times what it gates; None for another kind."""
        if site.kind == "swish":
            return None
        approximate = "tanh" if site.kind == "gelu-tanh" else "none"
        return (finished(site, emit, emit.one("Gelu", [site.x], {"approximate": approximate})),)


@dataclass(frozen=True)
class FuseSwish:
    """Lowers SiLU and quick GELU where the runtime has opset 24."""

    name: str = "fuse_swish"
    targets: frozenset[str] = frozenset({"onnx", "tensorrt", "tensorrt-rtx"})
    opset: int = 24
    source: str = "https://onnx.ai/onnx/operators/onnx__Swish.html"
    exact: Exactness = "rounding"

    def lower(self, site: ActivationSite, emit: Emitter) -> tuple[ir.Value, ...] | None:
        """Return the activation, times what it gates; None for another kind."""
        if site.kind != "swish":
            return None
        return (finished(site, emit, emit.one("Swish", [site.x], {"alpha": site.alpha})),)
