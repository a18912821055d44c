"""What the activation lowerings share."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.fusion.activation.find import ActivationSite
from pipeline.graph.rewriting.emit import Emitter


def finished(site: ActivationSite, emit: Emitter, activated: ir.Value) -> ir.Value:
    """Return the activation times its constant factor and the tensor it gates."""
    if site.factor != 1.0:
        kind = emit.facts.dtype(site.x) or ir.DataType.FLOAT
        activated = emit.one("Mul", [activated, np.asarray(site.factor, dtype=kind.numpy())])
    return activated if site.up is None else emit.one("Mul", [activated, site.up])
