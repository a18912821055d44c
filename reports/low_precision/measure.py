"""What rounding stored weights costs a real model: bytes, loss, seconds; beside onnxruntime's own.

    python -m reports.low_precision.measure smollm2=EXPORTED_DIR minilm=EXPORTED_DIR

Each folder holds an export and its tokenizer. The text is `pydoc_data.topics` of this Python:
English that no model here was rounded on; `gptq` was shown a later part of it.
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from tokenizers import Tokenizer

from pipeline import OptimizeOptions, optimize_model
from pipeline.parity.measures import measure_outputs
from reports.common import keep_raw, publish, table

HERE = Path(__file__).parent
WINDOWS, LENGTH = 4, 256
SHOWN, SHOWN_LENGTH = 64, 128  # windows for gptq, and their length
PRECISIONS = ("int8-weights", "int8", "int4")


def main(arguments: list[str]) -> None:
    """Measure each NAME=DIR and write the page."""
    rows: list[dict[str, Any]] = []
    for argument in arguments:
        name, _, folder = argument.partition("=")
        rows += _model(name, Path(folder))
        keep_raw(HERE, rows)
        publish(HERE, rows, _page(rows))


def _model(name: str, folder: Path) -> list[dict[str, Any]]:
    exported = folder / "onnx" / "model.exported.onnx"
    tokens = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
    tokens.no_padding()
    tokens.no_truncation()
    text = "\n".join(topics.values())
    ids = np.array(tokens.encode(text[:20000]).ids[: WINDOWS * LENGTH])
    windows = ids.reshape(WINDOWS, LENGTH)
    later = np.array(tokens.encode(text[20000:120000]).ids[: SHOWN * SHOWN_LENGTH])
    shown = later.reshape(SHOWN, SHOWN_LENGTH)
    rows = []
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        float_file = Path(place) / "fp32" / "model.onnx"
        optimize_model(OptimizeOptions(exported, float_file))
        wanted = _answers(float_file, windows)
        for precision, by, file, seconds in _made(exported, float_file, Path(place), shown):
            got = wanted if file == float_file else _answers(file, windows)
            row = {"model": name, "by": by, "precision": precision, "seconds": seconds}
            rows.append(row | {"megabytes": _bytes(file) / 1e6} | _loss(got, wanted, windows))
            print(rows[-1], flush=True)
    return rows


def _made(exported: Path, float_file: Path, place: Path, shown: np.ndarray) -> Any:
    """Yield (precision, by whom, file, seconds) of every variant."""
    yield "fp32", "ours", float_file, 0.0
    for precision in PRECISIONS:
        file, start = place / precision / "model.onnx", time.perf_counter()
        optimize_model(OptimizeOptions(exported, file, precision=precision))
        yield precision, "ours", file, time.perf_counter() - start
    file, start = place / "gptq" / "model.onnx", time.perf_counter()
    inputs = place / "shown.npz"
    np.savez(inputs, **_calibration(exported, shown))
    optimize_model(OptimizeOptions(exported, file, precision="int4", inputs=inputs))
    yield "int4", "ours, gptq", file, time.perf_counter() - start
    for precision, bits, block in (("int8-weights", 8, 128), ("int4", 4, 64)):
        file, start = place / f"ort-{precision}" / "model.onnx", time.perf_counter()
        file.parent.mkdir()
        made = MatMulNBitsQuantizer(
            onnx.load(float_file), bits=bits, block_size=block, is_symmetric=True, accuracy_level=4
        )
        made.process()
        made.model.save_model_to_file(str(file), use_external_data_format=True)
        yield precision, "onnxruntime, MatMulNBits", file, time.perf_counter() - start
    file, start = place / "ort-int8" / "model.onnx", time.perf_counter()
    file.parent.mkdir()
    quantize_dynamic(
        float_file, file, op_types_to_quantize=["MatMul"], per_channel=True,
        weight_type=QuantType.QInt8, use_external_data_format=True,
    )  # fmt: skip
    yield "int8", "onnxruntime, dynamic", file, time.perf_counter() - start


def _calibration(exported: Path, shown: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    feeds = {value.name: [_feed(value, row) for row in shown] for value in session.get_inputs()}
    return {name: np.concatenate(rows) for name, rows in feeds.items()}


def _answers(file: Path, windows: np.ndarray) -> list[np.ndarray]:
    """Return the first output for each window, [1, length, ...]."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    found = []
    for window in windows:
        feeds = {value.name: _feed(value, window) for value in session.get_inputs()}
        found.append(session.run([session.get_outputs()[0].name], feeds)[0])
    return found


def _feed(value: Any, window: np.ndarray) -> np.ndarray:
    if value.name == "input_ids":
        return window[None]
    if value.name == "attention_mask":
        return np.ones((1, len(window)), np.int64)
    if value.name == "position_ids":
        return np.arange(len(window))[None]
    if value.name == "token_type_ids":
        return np.zeros((1, len(window)), np.int64)
    _batch, heads, _past, width = value.shape
    return np.zeros((1, heads, 0, width), np.float32)


def _loss(got: list[np.ndarray], wanted: list[np.ndarray], windows: np.ndarray) -> dict[str, float]:
    decodes = wanted[0].shape[-1] > 4096
    kind = "logits" if decodes else "values"
    found = {m.name: float(m.value) for m in measure_outputs(got, wanted, kind)}
    if decodes:
        found["perplexity"] = _perplexity(got, windows)
    return found


def _perplexity(logits: list[np.ndarray], windows: np.ndarray) -> float:
    losses = []
    for scores, window in zip(logits, windows, strict=True):
        wide = scores[0, :-1].astype(np.float64)
        most = wide.max(axis=-1)
        total = most + np.log(np.exp(wide - most[:, None]).sum(axis=-1))
        losses.append(total - np.take_along_axis(wide, window[1:, None], axis=-1)[:, 0])
    return float(np.exp(np.mean(losses)))


def _bytes(file: Path) -> int:
    """Return the size of a graph with the data files it refers to."""
    model = onnx.load(file, load_external_data=False)
    places = {
        entry.value for tensor in model.graph.initializer for entry in tensor.external_data
        if entry.key == "location"
    }  # fmt: skip
    return file.stat().st_size + sum((file.parent / place).stat().st_size for place in places)


def _page(rows: list[dict[str, Any]]) -> str:
    measures = list(dict.fromkeys(
        key for row in rows for key in row if key not in ("model", "by", "precision")
    ))  # fmt: skip
    cells = [
        [row["model"], row["precision"], row["by"],
         *(f"{row[m]:.4g}" if m in row else "" for m in measures)]
        for row in rows
    ]  # fmt: skip
    lines = [
        "# What rounding stored weights costs",
        "",
        f"{WINDOWS} windows of {LENGTH} tokens of `pydoc_data.topics` of Python "
        f"{platform.python_version()}, ONNX Runtime {ort.__version__} on its CPU; each beside the "
        "float32 graph that `optimize` writes. Perplexity of decoders, cosine of encoders; the "
        "measures and their names are `pipeline parity`'s. Seconds are of one run on a shared "
        "machine. `gptq` was shown 64 windows of 128 tokens of a later part of the text. With so "
        "few tokens, differences under about 5 % say nothing.",
        "",
        *table(["model", "precision", "by", *measures], cells),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
