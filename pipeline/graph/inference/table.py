"""Which function infers which operator. This is the only place where they are listed."""

from __future__ import annotations

from pipeline.graph.inference import (
    control,
    create,
    elementwise,
    layout,
    linear,
    quantized,
    select,
    spatial,
    transformer,
)
from pipeline.graph.inference.call import Infer

MICROSOFT = "com.microsoft"

_STANDARD: dict[str, Infer] = {
    **elementwise.TABLE,
    **layout.TABLE,
    **select.TABLE,
    **create.TABLE,
    **linear.TABLE,
    **spatial.TABLE,
    **transformer.TABLE,
    **quantized.TABLE,
    **control.TABLE,
}
_CONTRIB: dict[str, Infer] = {**linear.CONTRIB, **transformer.CONTRIB, **quantized.CONTRIB}

TABLE: dict[tuple[str, str], Infer] = {
    **{("", op): infer for op, infer in _STANDARD.items()},
    **{(MICROSOFT, op): infer for op, infer in _CONTRIB.items()},
}
