"""The folder that Optimum's ORTModel classes and sentence-transformers' ONNX backend read.

**Source**: optimum-onnx' ORTModel.from_pretrained; sentence-transformers, "Speeding up inference".
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pipeline.package.cases import write_check
from pipeline.package.subject import Subject, known_config, refuse_written_in_place
from pipeline.received_json import parse_json
from pipeline.stages.export.sentence_files import MODULES, SETTINGS

CLASSES = {
    "feature-extraction": "ORTModelForFeatureExtraction",
    "fill-mask": "ORTModelForMaskedLM",
    "text-classification": "ORTModelForSequenceClassification",
    "token-classification": "ORTModelForTokenClassification",
    "question-answering": "ORTModelForQuestionAnswering",
    "image-classification": "ORTModelForImageClassification",
    "text-generation": "ORTModelForCausalLM",
}
GRAPH = "model.onnx"
LENGTHS = "sentence_bert_config.json"


def write(subject: Subject, root: Path, seed: int) -> None:
    """Write the package.

    Raises:
        UsageError: Optimum has no class for such a model, or could not run its graph.
        FolderError: The checkpoint is gone.
    """
    config = known_config(subject, "Optimum", CLASSES)
    config |= _for_older_libraries(config)
    refuse_written_in_place(subject, "Optimum")
    (part,) = subject.files
    subject.place_graph(part, root / GRAPH)
    (root / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    subject.place_tokenizer(root)
    subject.place_generation(root)
    subject.place_preprocessor(root)
    _place_modules(subject, root)
    told: dict[str, Any] = {"class": CLASSES[subject.exported.task]}
    write_check(subject, root, "optimum", seed, **told)


def _for_older_libraries(config: dict[str, Any]) -> dict[str, Any]:
    """Return what transformers 4, which Optimum pins, reads under other names than 5 writes."""
    found: dict[str, Any] = {}
    rope = config.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:
        found["rope_theta"] = rope["rope_theta"]
        if rope.get("rope_type", "default") != "default":
            found["rope_scaling"] = {k: v for k, v in rope.items() if k != "rope_theta"}
    if "dtype" in config and "torch_dtype" not in config:
        found["torch_dtype"] = config["dtype"]
    return found


def _place_modules(subject: Subject, root: Path) -> None:
    """Copy what makes a sentence encoder of the model: sentence-transformers pools by itself."""
    encoder = _sentence_encoder(subject)
    if encoder is None:
        return
    home = next(folder for folder in (encoder, *encoder.parents) if (folder / MODULES).is_file())
    modules = parse_json((home / MODULES).read_text(encoding="utf-8"))
    for module in modules[1:]:
        source = home / module["path"]
        if source.is_dir():
            shutil.copytree(source, root / module["path"])
    modules[0]["path"] = ""  # the model lies at the root, where Optimum looks for it
    (root / MODULES).write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")
    for name, folder in ((SETTINGS, home), (LENGTHS, encoder)):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, root / name)


def _sentence_encoder(subject: Subject) -> Path | None:
    """Return the folder of the transformer inside a sentence encoder; None for other models."""
    checkpoint = subject.checkpoint
    if checkpoint is None or checkpoint.sentence is None or subject.exported.embedding is None:
        return None
    return checkpoint.sentence.encoder
