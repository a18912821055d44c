"""Does ONNX Runtime load what was written? Its own rewrites at load time can be wrong.

A graph that is right by ONNX's rules may meet a rewrite that reads it carelessly: a norm written
with keepdims = 0 is taken for one with 1. So the whole graph runs on made-up inputs as it stands
and as the runtime rewrites it. Where the two differ on every set of inputs, the fewest rewrites
that explain it are searched for by halves, and are switched off in the session settings.

Not tried: graphs with quantisers, whose rewrites round elsewhere on purpose, with random numbers,
in bfloat16, or with more weights than a second or two of work allow; the last is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from pipeline.errors import PipelineError
from pipeline.operators import QUANTISERS, RANDOM
from pipeline.ort import runtime_installed
from pipeline.ort.known_crashes import HALF
from pipeline.ort.settings import SessionSettings
from pipeline.stages.optimize.candidate import find_weights
from pipeline.types import Progress

Arrays = dict[str, np.ndarray]
Holds = Callable[[Sequence[str]], bool]

# The runtime's rewrites of levels 1 and 2 that change what is computed, and by what operators.
REWRITES = (
    "LayerNormFusionL1", "LayerNormFusionL2", "SimplifiedLayerNormFusion", "SkipLayerNormFusion",
    "BiasSkipLayerNormFusion", "EmbedLayerNormFusion", "AttentionFusion", "BiasGeluFusion",
    "GeluFusionL1", "GeluFusionL2", "FastGeluFusion", "QuickGeluFusion", "BiasSoftmaxFusion",
    "MatMulAddFusion", "MatmulTransposeFusion", "MatMulScaleFusion", "MatMulActivationFusion",
    "MatMul_BatchNormalization_Fusion", "ConvAddFusion", "ConvMulFusion", "ConvBNFusion",
    "ConvActivationFusion", "ConvAddActivationFusion", "Pad_Fusion", "GemmActivationFusion",
    "GemmSumFusion", "GemmTransposeFusion", "GatherToSliceFusion", "ReshapeFusion", "DivMulFusion",
    "NotWhereFusion", "GroupQueryAttentionFusion", "GroupQueryAttentionPreNormFusion",
    "SwiGluFusion", "ConstantFolding", "CommonSubexpressionElimination", "CastElimination",
    "CastChainElimination", "ExpandElimination", "UnsqueezeElimination", "SliceElimination",
    "NoopElimination", "TransposeOptimizer", "NchwcTransformer", "NhwcTransformer",
)  # fmt: skip

# A wrong rewrite computes something else; other kernels for the same thing stay far below these.
# As a share of an output's largest value, by the coarsest type of the graph.
LIMITS = {"float32": 0.01, "float16": 0.1}
SETS = 3
LARGEST = 1 << 30  # bytes of weights


def without_wrong_rewrites(
    model: ir.Model, settings: SessionSettings, progress: Progress
) -> SessionSettings:
    """Return the settings, with those of the runtime's rewrites off that compute something else.

    Args:
        model: The finished graph for ONNX Runtime's CPU.
        settings: What it is to be loaded with.
        progress: Told what is switched off, or why nothing could be tried.
    """
    kind = _coarsest(model)
    if not runtime_installed() or kind is None or _is_left_out(model):
        return settings
    weights = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value)
    if weights > LARGEST:
        progress.note(f"what the runtime loads was not compared: {weights / 2**30:.1f} GiB weights")
        return settings
    progress.step("comparing what the runtime loads")
    try:
        wrong = _wrong(model, replace(settings, in_place={}), LIMITS[kind])
    except PipelineError:  # it does not run on made-up inputs: nothing is known of it
        return settings
    if not wrong:
        return settings
    progress.note(
        f"ONNX Runtime rewrites this graph into something else when it loads it: {', '.join(wrong)}"
        " is switched off in its session settings"
    )
    return replace(settings, disabled_optimizers=(*settings.disabled_optimizers, *wrong))


def _coarsest(model: ir.Model) -> str | None:
    """Return the coarsest float type, None for one that is not tried."""
    graph = model.graph
    values = [*graph.inputs, *graph.initializers.values(), *(o for n in graph for o in n.outputs)]
    types = {value.dtype for value in values}
    if ir.DataType.BFLOAT16 in types:
        return None
    return "float16" if ir.DataType.FLOAT16 in types else "float32"


def _is_left_out(model: ir.Model) -> bool:
    kinds = {node.op_type for node in model.graph.all_nodes()}
    return bool(kinds & (QUANTISERS | RANDOM)) or any("Integer" in kind for kind in kinds)


def _wrong(model: ir.Model, settings: SessionSettings, limit: float) -> tuple[str, ...]:
    """Return the rewrites to switch off; none where the graph is loaded as it stands."""
    from pipeline.inputs import InputMaker
    from pipeline.ort.session import OrtOptions, Session

    folder = find_weights(model)
    raw = ir.to_proto(model).SerializeToString()

    def opened(*off: str, plain: bool = False) -> Session:
        disabled = (*settings.disabled_optimizers, *HALF, *off)
        options = OrtOptions(
            threads=1,
            level="none" if plain else "all",
            settings=replace(settings, disabled_optimizers=disabled),
            check_assignment=False,
            lean=True,
            weights_folder=folder,
        )
        return Session(raw, options)

    maker, as_it_stands, loaded = InputMaker(model), opened(plain=True), opened()
    known: list[tuple[Arrays, Arrays]] = []
    for seed in range(SETS):
        feeds = maker.make(maker.dims(seed), seed)
        known.append((feeds, as_it_stands.run(feeds)))
        if _agrees(known[-1][1], loaded.run(feeds), limit):
            return ()  # roundings that tip a choice over do so on some inputs alone
    del as_it_stands, loaded

    def holds(off: Sequence[str]) -> bool:
        session = opened(*off)
        return all(_agrees(wanted, session.run(feeds), limit) for feeds, wanted in known)

    return fewest(REWRITES, holds) if holds(REWRITES) else ()


def fewest(names: Sequence[str], holds: Holds, fixed: Sequence[str] = ()) -> tuple[str, ...]:
    """Return few of the names with which it holds, found by halves.

    Args:
        names: Together with `fixed` it holds.
        holds: Whether the graph is right with these rewrites off.
        fixed: Off in any case.
    """
    if len(names) == 1:
        return tuple(names)
    left, right = names[: len(names) // 2], names[len(names) // 2 :]
    for half in (left, right):
        if holds((*fixed, *half)):
            return fewest(half, holds, fixed)
    found = fewest(left, holds, (*fixed, *right))
    return (*found, *fewest(right, holds, (*fixed, *found)))


def _agrees(wanted: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray], limit: float) -> bool:
    """Return whether every output of floats is within its limit, and finite at the same places."""
    for name, want in wanted.items():
        if want.dtype.kind != "f" or not want.size:
            continue
        a, b = got[name].astype(np.float64), want.astype(np.float64)
        finite = np.isfinite(b)
        if a.shape != b.shape or not np.array_equal(np.isfinite(a), finite):
            return False
        if finite.any() and np.abs(a[finite] - b[finite]).max() > limit * np.abs(b[finite]).max():
            return False
    return True
