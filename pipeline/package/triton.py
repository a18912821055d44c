"""A model repository for Triton: each graph, and a twin in Python that is asked for whole answers.

**Source**: Triton's pages on model repositories, on the onnxruntime and the Python backend.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.ort.settings import settings_path
from pipeline.package.cases import HOME, PACKAGE, example, write_check
from pipeline.package.subject import Subject, refuse, refuse_written_in_place
from pipeline.package.triton_config import TYPES, ModelConfig, rows_of
from pipeline.records.tensors import TensorSpec
from pipeline.stages.runners.kv_cache import PAST
from pipeline.tokenizer.open import FILE, record_of

REPOSITORY, TWIN = "models", "twin"
GRAPH = "model.onnx"
THREADS = {"intra_op_thread_count": "0", "inter_op_thread_count": "1", "execution_mode": "0"}
# What the twin imports of this package: needs numpy and onnxruntime, and tokenizers for texts.
SHIPPED = (
    "errors.py", "types.py", "onnx_bytes.py", "received_json.py", "ort/*.py",
    "records/__init__.py", "records/tensors.py", "stages/__init__.py",
    "stages/runners/__init__.py", "stages/runners/base.py", "stages/runners/kv_cache.py",
    "stages/runners/decoding.py", "stages/runners/ort_runner.py",
)  # fmt: skip
ANSWERS = (TensorSpec("token", "int64", (1,)), TensorSpec("text", "text", (1,)))
ASKED = (
    TensorSpec("prompt", "text", (1,)),
    TensorSpec("ids", "int64", (-1,)),
    TensorSpec("max_new_tokens", "int64", (1,)),
)


def write(subject: Subject, root: Path, seed: int) -> None:
    """Write the package.

    Raises:
        UsageError: Triton could not run its graphs, or the twin could not choose its tokens.
    """
    refuse_written_in_place(subject, "Triton's onnxruntime backend")
    _refuse_types(subject)
    if subject.steps:
        _refuse_choices(subject)
    configs = [_graph(subject, root, part, seed) for part in subject.files]
    configs.append(_twin(subject, root, configs))
    for config in configs:
        path = root / REPOSITORY / config.name / "config.pbtxt"
        path.write_text(config.text(), encoding="utf-8")
    write_check(subject, root, "triton", seed, **_told(subject))


def _told(subject: Subject) -> dict[str, Any]:
    parts = subject.exported.parts
    tensors = {
        part: {
            spec.name: [spec.dtype, [n if isinstance(n, int) else -1 for n in spec.shape]]
            for spec in (*about.inputs, *about.outputs)
        }
        for part, about in parts.items()
    }
    home = subject.tokenizer
    record = record_of(home) if home is not None else None
    words = home is not None and (home / FILE).is_file() and not (record and record.reason)
    return {"repository": REPOSITORY, "twin": TWIN, "tensors": tensors, "words": words}


def _splits(subject: Subject) -> bool:
    """Return whether special tokens that stand in a prompt are ordinary text."""
    record = record_of(subject.tokenizer) if subject.tokenizer is not None else None
    return record is not None and record.split_special_tokens


def _refuse_types(subject: Subject) -> None:
    for part, about in subject.exported.parts.items():
        for spec in (*about.inputs, *about.outputs):
            if spec.dtype not in TYPES:
                raise refuse(
                    subject, f"{part}: Triton has no type for {spec.dtype}", "another format"
                )


def _refuse_choices(subject: Subject) -> None:
    """The twin takes the likeliest token; what a model asks for beside that would be lost."""
    told = subject.exported.generation
    names = ("forced_bos_token_id", "forced_eos_token_id", "suppress_tokens",
             "begin_suppress_tokens")  # fmt: skip
    asked = [name for name in names if told is not None and getattr(told, name)]
    if asked:
        fix = "`pipeline serve` does"
        raise refuse(subject, f"the twin does not know {', '.join(asked)} of this model", fix)


def _graph(subject: Subject, root: Path, part: str, seed: int) -> ModelConfig:
    """Place a graph for the onnxruntime backend."""
    about, home = subject.exported.parts[part], root / REPOSITORY / part
    subject.place_graph(part, home / "1" / GRAPH)
    first = about.inputs[0].shape[0] if about.inputs and about.inputs[0].shape else None
    most = about.dims[first].max if isinstance(first, str) and first in about.dims else 0
    rows = rows_of(about.inputs, about.outputs, most)
    warmup = {}
    if not subject.steps:  # a cache begins without a row, which is no warm-up
        (home / "warmup").mkdir()
        for name, array in example(subject, part, seed).items():
            first_rows = array[:1] if rows else array
            (home / "warmup" / name).write_bytes(np.ascontiguousarray(first_rows).tobytes())
            warmup[name] = first_rows.shape
    return ModelConfig(
        part, "onnxruntime", about.inputs, about.outputs, rows, parameters=THREADS, warmup=warmup
    )


def _twin(subject: Subject, root: Path, graphs: list[ModelConfig]) -> ModelConfig:
    """Write the model that runs everything in the Python backend."""
    home = root / REPOSITORY / TWIN / "1"
    home.mkdir(parents=True)
    shutil.copyfile(HOME / "package" / "twin.py", home / "model.py")
    package = home / "lib" / HOME.name
    for source in (file for pattern in SHIPPED for file in HOME.glob(pattern)):
        target = package / source.relative_to(HOME)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (package / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    subject.place_tokenizer(home)
    for part, file in subject.files.items():
        if settings_path(file).is_file():
            graph = root / REPOSITORY / part / "1" / GRAPH
            shutil.copyfile(settings_path(file), settings_path(graph))
    told: dict[str, Any] = {"parts": {part: f"../../{part}/1/{GRAPH}" for part in subject.files}}
    generation = subject.exported.generation
    if not subject.steps or generation is None:
        (home / "model.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        (only,) = graphs
        return ModelConfig(TWIN, "python", only.inputs, only.outputs, only.rows)
    encoded = "encoder" in subject.files
    told |= {
        "start": generation.start if encoded else None,
        "ends": list(generation.ends),
        "split_special_tokens": _splits(subject),
        "pasts": [[spec.name, spec.dtype, list(spec.shape)]
                  for spec in subject.exported.last_part.inputs if spec.name.startswith(PAST)],
    }  # fmt: skip
    (home / "model.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    texts = _told(subject)["words"]
    return ModelConfig(
        TWIN, "python", ASKED if texts else ASKED[1:], ANSWERS if texts else ANSWERS[:1],
        optional=frozenset(spec.name for spec in (ASKED if texts else ASKED[2:])), decoupled=True,
    )  # fmt: skip
