"""Whole records with small contents, for tests that need one and for tests of the records."""

from dataclasses import replace

from pipeline.ort.settings import SessionSettings
from pipeline.records.engine import AttentionRow, EnginePart, EngineRecord, ShapeRange
from pipeline.records.explain import ExplainRecord
from pipeline.records.export import (
    ExportedPart,
    ExportProof,
    ExportRecord,
    GenerationSpec,
    ModelSource,
    SharedWeights,
    ToldOptions,
)
from pipeline.records.optimize import (
    GateRecord,
    GraphRecord,
    IslandRecord,
    LayerRecord,
    NodeCounts,
    OptimizedFileRecord,
    OptimizedPart,
    OptimizeRecord,
    ProofRecord,
    RefusalRecord,
    SiteCounts,
    SiteRecord,
    TypingRecord,
)
from pipeline.records.tensors import SizeRange, TensorSpec


def tensor(name, *shape, dtype="float32"):
    return TensorSpec(name, dtype, shape)


def exported_part(name="model", **changes):
    part = ExportedPart(
        file=f"onnx/{name}.exported.onnx",
        inputs=(tensor("x", "batch", 8),),
        outputs=(tensor("y", "batch", 8),),
        dims={"batch": SizeRange(1, 2, 4)},
        opset=20,
        nodes=3,
    )
    return replace(part, **changes)


def model_source(**changes):
    told = ToldOptions(
        model="bert-tiny",
        task="auto",
        dtype="auto",
        opset=None,
        exporter="auto",
        kv_cache="concat",
        capacity=None,
        logits="all",
        trust_remote_code=False,
        seed=0,
    )
    source = ModelSource(source="bert-tiny", kind="preset", random_weights=True, options=told)
    return replace(source, **changes)


def export_record(parts=None, **changes):
    record = ExportRecord(
        task="fill-mask",
        model=model_source(),
        parts={"model": exported_part()} if parts is None else parts,
        opset=20,
        exporter="dynamo",
        rejected_exporters={},
        kv_cache=None,
        weights=SharedWeights(file="onnx/weights-12.data", bytes=64, tensors=1, shared=0),
        proof=ExportProof(largest_relative_difference={"model": 1e-7}),
        tokenizer="tokenizer",
        generation=GenerationSpec(bos_token_id=1, eos_token_id=(2, 3), max_length=64),
    )
    return replace(record, **changes)


def graph_record(**changes):
    record = GraphRecord(
        counts={"attention": SiteCounts(fused=1, plain=0, refused=0)},
        nodes=NodeCounts(before=5, after=3),
        sites=(),
        layers=(),
        session=SessionSettings(),
        typing=None,
    )
    return replace(record, **changes)


def site(**changes):
    record = SiteRecord(
        construct="attention",
        path="block.0",
        anchor="Softmax s",
        state="refused",
        form="",
        lowering="",
    )
    return replace(record, **changes)


def proof(**changes):
    record = ProofRecord(
        digest="ab",
        runs=6,
        error=1e-7,
        allowed=1e-6,
        engine="onnxruntime 1.32",
        ok=True,
        reason="",
        inputs=("made-up ranges",),
        lacking="",
        seconds=0.5,
    )
    return replace(record, **changes)


def refusal(**changes):
    record = RefusalRecord(
        nearest="attention",
        step=2,
        steps=5,
        asked="is the scale a number?",
        reason="it is a tensor",
        node="Mul m",
        remedy="make it a number",
    )
    return replace(record, **changes)


def typing_record(**changes):
    record = TypingRecord(
        precision="fp16",
        low_nodes=3,
        high_nodes=1,
        casts=2,
        casts_removed=0,
        ranged=True,
        masks={"mask": (None, -30000.0)},
        inputs={"x": "float16"},
        outputs={"y": "float16"},
        islands=(
            IslandRecord(count=2, first="norm", operators={"Exp": 1}, reasons=("overflows",)),
        ),
    )
    return replace(record, **changes)


def optimized_part(file="onnx/model.ort-cpu-fp32.onnx", *, known=None, **changes):
    """Return the part made from an exported one, from a foreign file where none is known."""
    placed = {name: getattr(known, name) for name in ("inputs", "outputs", "dims")} if known else {}
    return OptimizedPart(file=file, **placed, **vars(graph_record(**changes)))


def optimize_record(parts=None, **changes):
    record = OptimizeRecord(
        target="ort-cpu",
        precision="fp32",
        parts={"model": optimized_part()} if parts is None else parts,
        gates=(),
        proof="structure",
    )
    return replace(record, **changes)


def engine_part(file="engine/model.tensorrt-fp16.sm80.plan", **changes):
    part = EnginePart(
        file=file,
        flavour="tensorrt-rtx",
        version="1.7",
        targets=("8.0",),
        tf32=False,
        decomposable=True,
        profiles=({"x": ShapeRange((1, 8), (2, 8), (4, 8))},),
        inputs=(tensor("x", -1, 8, dtype="float16"),),
        outputs=(tensor("y", -1, 8, dtype="float16"),),
        attention=(),
        layers=7,
        plan_bytes=4,
        plan_sha256="ef",
        build_seconds=1.5,
        build_peak_rss_bytes=1024,
    )
    return replace(part, **changes)


def attention_row(**changes):
    row = AttentionRow(
        name="a",
        dtype="float16",
        query=(-1, 2, -1, 16),
        key=(-1, 2, -1, 16),
        mask="",
        causal=False,
        dedicated=True,
        reason="",
    )
    return replace(row, **changes)


def engine_record(parts=None, **changes):
    record = EngineRecord(
        variant="tensorrt-fp16",
        targets=("8.0",),
        parts={"model": engine_part()} if parts is None else parts,
    )
    return replace(record, **changes)


SITES = (site(refusal=refusal()), site(state="fused", lowering="standard", proof=proof()))
FULL = {
    "sites": SITES,
    "layers": (LayerRecord(path="block.0", form="pre-norm"),),
    "session": SessionSettings(
        disabled_optimizers=("GeluFusion",), denormals="flush", in_place={"present": "past"}
    ),
    "typing": typing_record(),
}

SAMPLES = {
    "export": export_record(
        parts={"model": exported_part(cache_capacity=16)},
        model=model_source(path="../bert"),
        rejected_exporters={"torchscript": "no"},
    ),
    "optimize": optimize_record(
        parts={"model": optimized_part(known=exported_part(), **FULL)},
        gates=(GateRecord(gate="attention=1", found=1, wanted=1),),
    ),
    "optimized file": OptimizedFileRecord(gates=(), **vars(graph_record(**FULL))),
    "explain": ExplainRecord(target="onnx", parts={"model": graph_record(**FULL)}),
    "build-engine": engine_record(
        parts={"model": engine_part(attention=(attention_row(),), scratch_bytes=8)}
    ),
}
