"""Whole records with small contents, for tests that need one and for tests of the records."""

from dataclasses import replace

from pipeline.records.export import (
    ExportedPart,
    ExportProof,
    ExportRecord,
    GenerationSpec,
    ModelSource,
    SharedWeights,
    ToldOptions,
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


SAMPLES = {
    "export": export_record(
        parts={"model": exported_part(cache_capacity=16)},
        model=model_source(path="../bert"),
        rejected_exporters={"torchscript": "no"},
    ),
}
