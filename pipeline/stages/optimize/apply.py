"""One graph in memory, fused and then typed as the options say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_ir as ir

from pipeline.errors import PipelineError
from pipeline.fusion.plan import plan_for
from pipeline.graph.files.model_file import load_model, refuse_invalid
from pipeline.inputs import load_inputs
from pipeline.records.tensors import SizeRange
from pipeline.stages.optimize.buildable import keep_buildable, wants_trial
from pipeline.stages.optimize.engine import NONE_SPARED, Fused, optimize_graph
from pipeline.stages.optimize.loaded import without_wrong_rewrites
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.proof import Prover, proving
from pipeline.stages.optimize.rewrite import Spared
from pipeline.types import ROUNDED, SILENT, Progress

if TYPE_CHECKING:
    import numpy as np


def apply_to_file(
    path: Path,
    options: OptimizeOptions,
    progress: Progress = SILENT,
    sizes: Mapping[str, SizeRange] | None = None,
    inputs: Mapping[str, np.ndarray] | None = None,
) -> tuple[ir.Model, Fused]:
    """Return the model of a file, fused and typed, and what happened to it; nothing is written.

    Args:
        path: The file.
        options: Target, precision and proofs, and whether the builder is asked.
        progress: Told which site is being worked on.
        sizes: What is known of the sizes of its inputs, for the builder.
        inputs: Real inputs by name; None takes those of the options.

    Raises:
        BadModelError: The file is no model, a hostile one, or one against ONNX's rules.
        UsageError: The precision cannot be typed, or the inputs do not fit.
    """
    given = options.inputs if inputs is None else inputs
    shared = None if options.proof == "none" else Prover()  # structures are proven once

    def make(spared: Spared) -> tuple[ir.Model, Fused]:
        model = load_model(path)
        prover = nullcontext(shared) if options.proof != "full" else None
        return model, apply_options(model, options, given, progress, spared, prover)

    try:
        first = make(NONE_SPARED)
        if wants_trial(options.check_build, first[0], progress):
            return keep_buildable(path, make, first, sizes or {}, progress)
        return first
    except PipelineError:
        raise
    except Exception as error:
        refuse_invalid(path, error)
        raise


def apply_options(
    model: ir.Model,
    options: OptimizeOptions,
    inputs: Path | Mapping[str, np.ndarray] | None = None,
    progress: Progress = SILENT,
    spared: Spared = NONE_SPARED,
    prover: AbstractContextManager[Prover | None] | None = None,
) -> Fused:
    """Fuse and type a model in place and return what happened to it.

    Args:
        model: Any model; its weights are referred to, not copied.
        options: Target, precision and proofs; what they say of files does not matter here.
        inputs: Real inputs by name, or a file of them (.npz); None makes some up.
        progress: Told which site is being worked on.
        spared: Sites to leave as they are, each with the builder's reason.
        prover: Proves rewrites; None makes one as the options say.

    Raises:
        BadModelError: The model cannot be normalised, or contradicts itself.
        UsageError: The precision cannot be typed, or the inputs do not fit.
    """
    rounds = options.precision in ROUNDED
    given = load_inputs(inputs) if isinstance(inputs, Path) else inputs
    rounding = options.rounding(given is not None and _fit(given, model))
    plan = plan_for(
        options.target,
        options.disable,
        fuse_all=options.fuse_all,
        precision=options.precision,
        inputs=given,
        method=rounding or "rtn",
    )
    with prover or proving(options.proof, inputs) as proves:
        fused = optimize_graph(model, plan, proves, progress, spared)
    fused = replace(fused, rounding=rounding)
    if options.precision is not None and not rounds:
        from pipeline.precision import type_model

        feeds = [given] if given else []
        typing = type_model(model, options.precision, feeds, progress=progress)
        fused = replace(fused, typing=typing)
    if options.target != "ort-cpu" or options.proof == "none":
        return fused
    return replace(fused, session=without_wrong_rewrites(model, fused.session, progress))


def _fit(given: Mapping[str, np.ndarray], model: ir.Model) -> bool:
    """Return whether inputs are all that a graph needs; they may belong to another part."""
    graph = model.graph
    wanted = {value.name for value in graph.inputs if value.name not in graph.initializers}
    return wanted <= given.keys()
