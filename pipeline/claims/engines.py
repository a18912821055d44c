"""Claims on engines. What only a GPU can confirm is said to be unchecked, with what would do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import onnx_ir as ir

from pipeline.artifacts import Artifact
from pipeline.claims.graphs import precision_claim, rounded_claim
from pipeline.claims.ledger import judge
from pipeline.graph.files.model_file import load_model
from pipeline.records.bundle import BundleResults
from pipeline.records.claim import Claim
from pipeline.records.engine import EnginePart, EngineRecord
from pipeline.records.export import ExportRecord
from pipeline.records.optimize import OptimizeRecord
from pipeline.records.tensors import SizeRange, TensorSpec
from pipeline.types import ROUNDED

_CODES = frozenset({ir.DataType.INT8, ir.DataType.INT4})
_PACK = "`pipeline pack` verifies it on a machine that has one"


def engine_claims(
    artifact: Artifact,
    graph: Artifact | None,
    exported: ExportRecord | None,
    elsewhere: Sequence[BundleResults],
) -> Iterator[Claim]:
    """Yield the claims of one `build-engine.<variant>` artifact, part by part.

    Args:
        artifact: The engines.
        graph: The `optimize.<variant>` artifact they were built from, if it is in the folder.
        exported: The export, which knows the sizes that were promised.
        elsewhere: Results of bundles.
    """
    variant = artifact.stage.partition(".")[2]
    source = OptimizeRecord.of(graph) if graph is not None else None
    for part, engine in EngineRecord.of(artifact).parts.items():
        name = f"{part}.{variant} engine"
        known = source.parts.get(part) if source is not None else None
        if graph is not None and source is not None and known is not None:
            current = artifact.parents.get("graph") == graph.digest
            model = load_model(graph.path(known.file))
            rounded = source.precision in ROUNDED
            claims = rounded_claim if rounded else precision_claim
            claim = claims(name, model, source.precision, known, engine.file)
            yield _as_typed(name, source.precision, claim, current)
            if rounded and current:
                yield from _stored_narrow(name, source.precision, model, engine)
            yield _interface(name, model, engine)
        sizes = known or (exported.parts.get(part) if exported is not None else None)
        if sizes is not None and sizes.dims:
            yield from _covers(name, engine, sizes.inputs or (), sizes.dims)
        yield from _attention(name, engine)
        yield _loads(artifact, name, engine, elsewhere)


def _as_typed(name: str, precision: str, graph: Claim, current: bool) -> Claim:
    """The builder is strongly typed: the graph's types are the engine's, if it is that graph."""
    evidence = f"{graph.evidence}, read from the graph it was built from (strongly typed)"
    if not current:
        evidence = "the graph has been made again since the engine was built"
    kept = current and graph.state == "kept"
    return judge(f"{name} is {precision}", kept, evidence, graph.where)


def _stored_narrow(
    name: str, precision: str, model: ir.Model, engine: EnginePart
) -> Iterator[Claim]:
    """What the builder says its weights weigh lies nearer to codes than to codes made 16 bits wide.

    A plan of a small model is mostly kernels, so the size of its file shows nothing.
    """
    if engine.weights_bytes is None:
        return
    tensors = [v.const_value for v in model.graph.initializers.values() if v.const_value]
    codes = [tensor for tensor in tensors if tensor.dtype in _CODES]
    narrow = sum(tensor.nbytes for tensor in tensors)
    wide = narrow + sum(2 * tensor.size - tensor.nbytes for tensor in codes)
    evidence = (
        f"{engine.weights_bytes} bytes of weights as the builder counts them; the graph has "
        f"{narrow} with codes, {wide} with 16-bit numbers in their place"
    )
    kept = 2 * engine.weights_bytes < narrow + wide
    yield judge(f"{name} holds {precision} weights", kept, evidence, engine.file)


def _interface(name: str, model: ir.Model, engine: EnginePart) -> Claim:
    names = {entry.name for entry in (*engine.inputs, *engine.outputs)}
    weights = model.graph.initializers
    wanted = {str(v.name) for v in (*model.graph.inputs, *model.graph.outputs)} - set(weights)
    lost = sorted(names ^ wanted)
    evidence = f"{len(names)} tensors" + (f"; not the same: {', '.join(lost)}" if lost else "")
    return judge(f"{name}: inputs and outputs are the graph's", not lost, evidence, engine.file)


def _covers(
    name: str,
    engine: EnginePart,
    inputs: Sequence[TensorSpec],
    dims: Mapping[str, SizeRange],
) -> Iterator[Claim]:
    """Every exported range must lie within what the profiles span, whichever input has the dim."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for entry in inputs:
        found = [profile[entry.name] for profile in engine.profiles if entry.name in profile]
        for axis, dim in enumerate(entry.shape):
            if found and isinstance(dim, str) and dim in dims:
                low, high = min(f.min[axis] for f in found), max(f.max[axis] for f in found)
                spans.setdefault(dim, []).append((low, high))
    for dim, ends in spans.items():
        wanted = dims[dim]
        low, high = max(low for low, _high in ends), min(high for _low, high in ends)
        yield judge(
            f"{name}: {dim} from {wanted.min} to {wanted.max}",
            low <= wanted.min and wanted.max <= high,
            f"the profiles take {low} to {high} on each of {len(ends)} axes",
            engine.file,
        )


def _attention(name: str, engine: EnginePart) -> Iterator[Claim]:
    file, rows = engine.file, engine.attention
    dedicated = sum(row.dedicated is True for row in rows)
    if rows and not engine.decomposable:
        yield judge(
            f"{name}: every attention has a dedicated kernel",
            dedicated == len(rows),
            f"{dedicated} of {len(rows)}, and the engine was built with decomposition off",
            file,
        )
    elif rows and dedicated == len(rows):
        evidence = f"the builder has one for each of the {len(rows)} forms, asked one by one"
        yield Claim(f"{name}: every attention has a dedicated kernel", "kept", evidence, file)


def _loads(
    artifact: Artifact, name: str, engine: EnginePart, elsewhere: Sequence[BundleResults]
) -> Claim:
    """An engine proves itself only where its GPU is: here, or in a bundle's results."""
    file, record_name = engine.file, name.replace(" engine", ".engine")
    claim = f"{name} runs on {', '.join(engine.targets)} and is right"
    for results in elsewhere:
        if results.artifacts.get(artifact.stage) != artifact.digest:
            continue
        for row in results.results:
            if row.name == record_name and row.ran:
                evidence = f"{len(row.cases or ())} sets of inputs on {row.device}"
                gpu = results.machine.get("gpu", "")
                return judge(claim, bool(row.right), f"{evidence}, {gpu}", file)
    return Claim(claim, "unchecked", f"no NVIDIA GPU has loaded it yet; {_PACK}", file)
