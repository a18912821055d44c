"""The folder that transformers.js loads, in node or a browser.

**Source**: transformers.js' guide to custom models, and its loader of models and data files.
"""

from __future__ import annotations

import json
from pathlib import Path

import onnx

from pipeline.errors import UsageError
from pipeline.package.cases import write_check
from pipeline.package.subject import Subject, known_config, refuse, refuse_written_in_place
from pipeline.stages.runners.kv_cache import PAST

CLASSES = {
    "feature-extraction": "AutoModel",
    "fill-mask": "AutoModelForMaskedLM",
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "image-classification": "AutoModelForImageClassification",
    "text-generation": "AutoModelForCausalLM",
}
# Precision -> what it is called there, and what the file's name ends with.
KINDS = {
    "fp32": ("fp32", ""),
    "fp16": ("fp16", "_fp16"),
    "int8": ("q8", "_quantized"),
    "int8-weights": ("q8", "_quantized"),
    "int4": ("q4", "_q4"),
}
MOST_DATA_FILES = 100  # MAX_EXTERNAL_DATA_CHUNKS there
BATCH = "batch_size"
SETTINGS = "transformers.js_config"


def write(subject: Subject, root: Path, seed: int) -> None:
    """Write the package.

    Raises:
        UsageError: transformers.js has no class for such a model, or could not run its graph.
        FolderError: The checkpoint is gone.
    """
    config = known_config(subject, "transformers.js", CLASSES)
    refuse_written_in_place(subject, "transformers.js")
    dtype, ending = _kind(subject)
    (part,) = subject.files
    graph = root / "onnx" / f"model{ending}.onnx"
    subject.place_graph(part, graph)
    model = onnx.load(graph, load_external_data=False)
    files = name_data(model, graph)
    name_batch(model)
    graph.write_bytes(model.SerializeToString())
    config[SETTINGS] = {"dtype": dtype, "use_external_data_format": {graph.name: files}}
    (root / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    subject.place_tokenizer(root)
    subject.place_generation(root)
    subject.place_preprocessor(root)
    told = {"class": CLASSES[subject.exported.task]}
    write_check(subject, root, "transformers_js", seed, beside=("ask.mjs",), **told)


def _kind(subject: Subject) -> tuple[str, str]:
    try:
        return KINDS[subject.precision]
    except KeyError:
        fix = f"--precision {' or '.join(KINDS)}"
        raise refuse(subject, f"transformers.js knows no {subject.precision} models", fix) from None


def name_batch(model: onnx.ModelProto) -> None:
    """Give the first size of a cache the only name by which transformers.js makes an empty one.

    It makes every size that is neither fixed nor of that name 0: right for the length alone.
    """
    given = [*model.graph.input, *model.graph.output]
    pasts = [value for value in model.graph.input if value.name.startswith(PAST)]
    first = {value.type.tensor_type.shape.dim[0].dim_param for value in pasts} - {""}
    for value in (*given, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in first:
                dim.dim_param = BATCH


def name_data(model: onnx.ModelProto, graph: Path) -> int:
    """Name the data files as transformers.js looks for them, and return how many there are.

    Args:
        model: What the graph's file holds; the places in it are set.
        graph: Beside it lie its data files, which nothing else uses.

    Raises:
        UsageError: There are more than it loads.
    """
    places = [
        entry
        for tensor in _tensors(model.graph)
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    names = list(dict.fromkeys(entry.value for entry in places))
    if len(names) > MOST_DATA_FILES:
        raise UsageError(f"{len(names)} data files; transformers.js loads {MOST_DATA_FILES}")
    new = {name: f"{graph.name}_data" + f"_{n}" * bool(n) for n, name in enumerate(names)}
    for entry in places:
        entry.value = new[entry.value]
    for name in names:
        (graph.parent / name).rename(graph.parent / new[name])
    return len(names)


def _tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """Return the weights of a graph, and those that stand in its nodes, branches included."""
    found = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            found += [attribute.t] if attribute.HasField("t") else []
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                found += _tensors(inner)
    return found
