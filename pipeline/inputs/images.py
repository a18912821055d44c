"""Image sides a graph accepts, found by running it: patches and position tables allow few."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from pipeline import errors

# The sides vision models are trained at, the most common first.
SIDES = (224, 32, 64, 256, 384, 192, 336, 448, 512, 518, 640, 128, 96, 299, 1024, 48, 28)


def accepted_sides(
    model: ir.Model, make: Callable[[int], Mapping[str, np.ndarray]], count: int
) -> list[int]:
    """Return up to `count` sides with which the graph runs, the usual one if none does.

    Args:
        model: The model.
        make: Makes inputs with images of a side.
        count: How many different sides are wanted.
    """
    from pipeline.judge import Judge, UnsupportedOpError

    judge = Judge(model, "float32")
    found: list[int] = []
    for side in SIDES:
        if len(found) == count:
            break
        try:
            judge.run(make(side))
        except UnsupportedOpError:
            break
        except (errors.BadModelError, errors.UsageError):
            continue
        found.append(side)
    return found or [SIDES[0]]
