"""ONNX Runtime's own transformer fusions, as a contender: the best of its model types.

Its tool must be told the kind of model; told nothing it does nothing. To be fair to it, several
kinds are tried and the graph with the fewest nodes is kept.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

MODEL_TYPES = ("bert", "gpt2", "bart", "t5")


def optimize_with_runtime(source: Path, target: Path) -> str:
    """Write the graph as onnxruntime.transformers optimizes it; return the model type that won.

    Raises:
        RuntimeError: none of the model types could be applied.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    best: tuple[int, str] | None = None
    for kind in MODEL_TYPES:
        try:
            with _quiet():
                made = optimize_model(
                    str(source),
                    model_type=kind,
                    opt_level=0,
                    optimization_options=FusionOptions(kind),
                )
            nodes = len(made.model.graph.node)
            if best is None or nodes < best[0]:
                made.save_model_to_file(str(target), use_external_data_format=False)
                best = nodes, kind
        except Exception as err:  # the tool raises whatever its fusions trip over
            logging.getLogger(__name__).info("%s does not fit %s: %s", kind, source.name, err)
    if best is None:
        raise RuntimeError(f"no model type of ONNX Runtime's optimizer fits {source.name}")
    return best[1]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tool from printing and from logging through the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
