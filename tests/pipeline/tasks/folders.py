"""Artifact folders with graphs of a few nodes, for whatever a text command needs."""

import shutil
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

import models.zh_en
from pipeline.artifacts import open_folder, run_stage
from pipeline.records.export import ExportRecord, GenerationSpec
from pipeline.records.task import ClassesSpec
from pipeline.records.tensors import TensorSpec
from pipeline.stages.export.tokenizer_record import record_tokenizer
from tests.pipeline.records.made import export_record, exported_part
from tests.pipeline.tokenizer.kinds import FAST, SLOW

SIZE, WIDTH = 2000, 4  # more tokens than any tokenizer here has; numbers of a state
SPECIAL = GenerationSpec(bos_token_id=1, eos_token_id=2, pad_token_id=0)
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
KINDS = {"float32": FLOAT, "int64": INT}
IDS = TensorSpec("input_ids", "int64", ("b", "s"))
MASK = TensorSpec("attention_mask", "int64", ("b", "t"))
PASTS = tuple(
    TensorSpec(f"past_key_values.0.{kind}", "float32", ("b", 1, "p", 1))
    for kind in ("key", "value")
)
CROSS = TensorSpec("cross.0.key", "float32", ("b", "s", WIDTH))
LOGITS = TensorSpec("logits", "float32", ("b", "s", "v"))
STATES = TensorSpec("last_hidden_state", "float32", ("b", "s", WIDTH))


def matrix(name, *shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


TABLE = matrix("table", SIZE, WIDTH)
ONE, AXES = (numpy_helper.from_array(np.array(v), n) for v, n in (([1], "one"), ([1, 3], "axes")))
LOOKED_UP = helper.make_node("Gather", ["table", "input_ids"], ["rows"])


def graph(nodes, inputs, outputs, weights):
    def values(specs):
        return [helper.make_tensor_value_info(s.name, KINDS[s.dtype], s.shape) for s in specs]

    made = helper.make_graph(nodes, "g", values(inputs), values(outputs), weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    checker.check_model(model)
    return model, inputs, outputs


def growing():
    """Return the nodes of a cache that holds the tokens themselves, and its outputs."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=FLOAT),
        helper.make_node("Unsqueeze", ["numbers", "axes"], ["new"]),
    ]
    outputs = []
    for past in PASTS:
        present = past.name.replace("past_key_values", "present")
        nodes.append(helper.make_node("Concat", [past.name, "new"], [present], axis=2))
        outputs.append(TensorSpec(present, "float32", ("b", 1, "t", 1)))
    return nodes, outputs


def heads(size):
    return matrix("heads", WIDTH, size, seed=3)


def language_model(size=100):
    """A decoder whose next token depends on the last one.

    Args:
        size: Tokens it can say.
    """
    nodes, presents = growing()
    nodes += [LOOKED_UP, helper.make_node("MatMul", ["rows", "heads"], ["logits"])]
    inputs = (IDS, MASK, TensorSpec("position_ids", "int64", ("b", "s")), *PASTS)
    return {"model": graph(nodes, inputs, (LOGITS, *presents), [TABLE, heads(size), AXES])}


def translator(size=100):
    """An encoder, and a decoder whose next token depends on the last one and on the source."""
    states = helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])
    same = helper.make_node("Identity", ["last_hidden_state"], [CROSS.name])
    encoder = graph([states, same], (IDS, MASK), (STATES, CROSS), [TABLE])
    nodes, presents = growing()
    nodes += [
        LOOKED_UP,
        helper.make_node("Cast", ["attention_mask"], ["real"], to=FLOAT),
        helper.make_node("Unsqueeze", ["real", "one"], ["weights"]),
        helper.make_node("MatMul", ["weights", CROSS.name], ["source"]),
        helper.make_node("Add", ["rows", "source"], ["both"]),
        helper.make_node("MatMul", ["both", "heads"], ["logits"]),
    ]
    weights = [TABLE, heads(size), ONE, AXES]
    decoder = graph(nodes, (IDS, MASK, *PASTS, CROSS), (LOGITS, *presents), weights)
    return {"encoder": encoder, "decoder": decoder}


def encoder():
    """An encoder that gives a state to each token."""
    inputs = (IDS, MASK, TensorSpec("token_type_ids", "int64", ("b", "s")))
    node = helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])
    return {"model": graph([node], inputs, (STATES,), [TABLE])}


def word_guesser(size=100):
    """An encoder that gives scores of all words to each token."""
    nodes = [LOOKED_UP, helper.make_node("MatMul", ["rows", "heads"], ["logits"])]
    return {"model": graph(nodes, (IDS, MASK), (LOGITS,), [TABLE, heads(size)])}


def classifier():
    """An encoder that gives four scores to a text."""
    nodes = [LOOKED_UP, helper.make_node("ReduceMean", ["rows", "one"], ["logits"], keepdims=0)]
    output = TensorSpec("logits", "float32", ("b", WIDTH))
    return {"model": graph(nodes, (IDS, MASK), (output,), [TABLE, ONE])}


def reranker():
    """An encoder that gives one score to a text."""
    both = numpy_helper.from_array(np.array([1, 2]), "both")
    nodes = [
        LOOKED_UP,
        helper.make_node("ReduceMean", ["rows", "both"], ["means"], keepdims=1),
        helper.make_node("Squeeze", ["means", "two"], ["logits"]),
    ]
    two = numpy_helper.from_array(np.array([2]), "two")
    output = TensorSpec("logits", "float32", ("b", 1))
    return {"model": graph(nodes, (IDS, MASK), (output,), [TABLE, both, two])}


def save_tokenizer(kind, folder):
    """Save a tokenizer as the export does: one of `kinds`, or that of zh-en."""
    if kind == "zh-en":
        for name in ("tokenizer.json", "words.json"):
            shutil.copyfile(Path(models.zh_en.__file__).with_name(name), folder / name)
    else:
        (FAST | SLOW)[kind]().save_pretrained(folder)
    record_tokenizer(folder)


def write_folder(path, task, parts, tokenizer=None, generation=SPECIAL, **more):
    """Write an artifact folder that holds an export of these graphs, and return its path."""

    def produce(context):
        context.path("onnx").mkdir()
        told = {}
        for name, (model, inputs, outputs) in parts.items():
            save(model, context.path("onnx") / f"{name}.exported.onnx")
            told[name] = exported_part(name, inputs=inputs, outputs=outputs)
        if tokenizer is not None:
            context.path("tokenizer").mkdir()
            save_tokenizer(tokenizer, context.path("tokenizer"))
        return export_record(
            parts=told, task=task, generation=generation,
            tokenizer=None if tokenizer is None else "tokenizer", **more,
        )  # fmt: skip

    run_stage(open_folder(path, create=True), "export", {"task": task}, {}, produce, ExportRecord)
    return path


FOLDERS = {
    "generate": ("text-generation", lambda: language_model(330), "byte_level"),
    "translate": ("translation", translator, "unigram"),
    "zh-en": ("translation", lambda: translator(1913), "zh-en"),
    "embed": ("feature-extraction", encoder, "wordpiece"),
    "fill-mask": ("fill-mask", word_guesser, "wordpiece"),
    "rerank": ("text-classification", reranker, "wordpiece"),
    "classify": ("text-classification", classifier, "wordpiece"),
    "slow": ("text-generation", lambda: language_model(330), "own"),
}


def folder_for(name, path):
    """Write one of `FOLDERS` and return its path."""
    task, graphs, tokenizer = FOLDERS[name]
    more = {"classes": ClassesSpec(labels=("LABEL_0",), function="sigmoid")}
    told = more if name == "rerank" else {}
    return write_folder(path / name, task, graphs(), tokenizer, **told)
