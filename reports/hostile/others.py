"""Checkpoints, tokenizers, results and inputs made to break whoever reads them."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEEP = "[" * 100_000
BERT = {
    "model_type": "bert", "architectures": ["BertModel"], "hidden_size": 8, "vocab_size": 16,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
    "max_position_embeddings": 16,
}  # fmt: skip


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call that whoever unpickles makes."""
        return (Path.touch, (self.canary,))


def tensors(header: str | bytes, data: bytes = bytes(64), length: int | None = None) -> bytes:
    """Return a safetensors file of any header."""
    raw = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def entry(offsets: str = "[0, 64]", shape: str = "[4, 4]", kind: str = '"F32"') -> bytes:
    """Return a safetensors file of one tensor."""
    return tensors(f'{{"w": {{"dtype": {kind}, "shape": {shape}, "data_offsets": {offsets}}}}}')


def checkpoint(config: Any = BERT, **files: bytes) -> Callable[[Path], None]:
    """Return what writes a checkpoint: a configuration, and files by name, `__` for a dot."""

    def write(folder: Path) -> None:
        text = config if isinstance(config, str | bytes) else json.dumps(config)
        raw = text if isinstance(text, bytes) else text.encode()
        (folder / "config.json").write_bytes(raw)
        for name, data in {"model__safetensors": entry(), **files}.items():
            (folder / name.replace("__", ".")).write_bytes(data)

    return write


def pickled(folder: Path) -> None:
    """Write a checkpoint whose weights are a program."""
    checkpoint()(folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(folder / "canary")))


def own_code(folder: Path) -> None:
    """Write a checkpoint that brings its model as Python."""
    checkpoint({"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"}})(
        folder
    )
    (folder / "evil.py").write_text(f"open({str(folder / 'canary')!r}, 'w')\n")


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "offsets are strings": checkpoint(model__safetensors=entry('["0", "64"]')),
    "offsets are negative": checkpoint(model__safetensors=entry("[-64, 0]")),
    "offsets run backwards": checkpoint(model__safetensors=entry("[64, 0]")),
    "offsets beyond the file": checkpoint(model__safetensors=entry("[0, 4611686018427387904]")),
    "offsets are NaN": checkpoint(model__safetensors=entry("[NaN, NaN]")),
    "offsets are floats": checkpoint(model__safetensors=entry("[0.0, 64.0]")),
    "offsets are deep": checkpoint(model__safetensors=entry(DEEP)),
    "offsets are one number": checkpoint(model__safetensors=entry("7")),
    "a header of 2^63 bytes": checkpoint(model__safetensors=tensors("{}", length=2**63)),
    "a header that is cut off": checkpoint(model__safetensors=tensors("{}", b"", 99)),
    "a header that is a list": checkpoint(model__safetensors=tensors("[]", b"")),
    "a header that is deep": checkpoint(model__safetensors=tensors(DEEP)),
    "a header in UTF-16": checkpoint(model__safetensors=tensors("{}".encode("utf-16"))),
    "a shape that overflows": checkpoint(model__safetensors=entry(shape=f"[{2**32}, {2**32}]")),
    "a shape that is negative": checkpoint(model__safetensors=entry(shape="[-4, -4]")),
    "a shape that is text": checkpoint(model__safetensors=entry(shape='"4x4"')),
    "an unknown type": checkpoint(model__safetensors=entry(kind='"F7"')),
    "a type that is a list": checkpoint(model__safetensors=entry(kind="[]")),
    "weights that are empty": checkpoint(model__safetensors=b""),
    "weights of another model": checkpoint(),
    "an index out of the folder": checkpoint(
        model__safetensors__index__json=b'{"weight_map": {"a": "../../etc/passwd"}}',
        model__safetensors=b""),
    "config: deep": checkpoint(DEEP),
    "config: not UTF-8": checkpoint(b'{"model_type": "\xff"}'),
    "config: a list": checkpoint([1, 2]),
    "config: model_type a list": checkpoint(BERT | {"model_type": ["bert"]}),
    "config: model_type an object": checkpoint(BERT | {"model_type": {"a": 1}}),
    "config: 10^9 layers": checkpoint(BERT | {"num_hidden_layers": 10**9}),
    "config: layers as text": checkpoint(BERT | {"num_hidden_layers": "many"}),
    "config: -1 layers": checkpoint(BERT | {"num_hidden_layers": -1}),
    "config: 0 heads": checkpoint(BERT | {"num_attention_heads": 0}),
    "config: a width of 10^12": checkpoint(BERT | {"hidden_size": 10**12}),
    "config: 10^15 words": checkpoint(BERT | {"vocab_size": 10**15}),
    "config: an activation of nobody": checkpoint(BERT | {"hidden_act": "os.system"}),
    "weights that are a program": pickled,
    "a model that is a program": own_code,
}  # fmt: skip


def pattern(expression: str) -> Callable[[dict[str, Any]], Any]:
    """Return an edit that makes a tokenizer split by a pattern."""
    cut = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated",
           "invert": False}  # fmt: skip
    return lambda told: told | {"pre_tokenizer": cut}


def far(told: dict[str, Any]) -> dict[str, int]:
    """Return a vocabulary with every id a million higher."""
    return {word: number + 10**6 for word, number in told["model"]["vocab"].items()}


def replacing(expression: str) -> Callable[[dict[str, Any]], Any]:
    """Return an edit that makes a tokenizer replace a pattern."""
    change = {"type": "Replace", "pattern": {"Regex": expression}, "content": ""}
    return lambda told: told | {"normalizer": change}


TOKENIZERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a pattern without end": pattern("(a+)+$|(a|aa)+b(?=c)"),
    "a pattern that looks back": pattern("(?<=(a|b)*)c"),
    "a pattern of 2^16 repeats": pattern("(((a{64}){64}){64}){64}"),
    "a pattern that is none": pattern("(["),
    "a replacement without end": replacing("(x+x+)+y"),
    "no model": lambda told: told | {"model": {}},
    "a model of nobody": lambda told: told | {"model": {"type": "Evil"}},
    "ids of 2^40": lambda told: told | {"model": told["model"] | {"vocab": {"a": 2**40}}},
    "negative ids": lambda told: told | {"model": told["model"] | {"vocab": {"a": -1}}},
    "ids beyond the model's": lambda told: told | {"model": told["model"] | {"vocab": far(told)}},
    "no words": lambda told: told | {"model": told["model"] | {"vocab": {}}},
    "a charsmap of noise": lambda told: told | {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAAAAAA" * 9}},
    "a template without tokens": lambda told: told | {
        "post_processor": {"type": "TemplateProcessing", "single": [], "pair": [],
                           "special_tokens": {}}},
    "truncated to 0": lambda told: told | {
        "truncation": {"direction": "Right", "max_length": 0, "strategy": "LongestFirst",
                       "stride": 9}},
    "a decoder of nobody": lambda told: told | {"decoder": {"type": "Evil"}},
    "a list": lambda told: [told],
}  # fmt: skip

ROW = {"name": "model.ort-cpu-fp32", "precision": "fp32", "ran": True, "device": "cpu",
       "cases": [], "right": True, "latency_ms": {"a": [[1.0]]}}  # fmt: skip
RESULTS = {"format": 2, "bundle": "b", "artifacts": {}, "when": "w", "machine": {},
           "results": [ROW]}  # fmt: skip


def results(**row: Any) -> str:
    """Return results of a bundle with another row."""
    return json.dumps(RESULTS | {"results": [ROW | row]})


BUNDLES: dict[str, str | bytes] = {
    "empty": "", "no JSON": "{", "deep": DEEP, "a list": "[]", "not UTF-8": b"\xff\xfe{}",
    "of another format": json.dumps(RESULTS | {"format": 99}),
    "format as text": json.dumps(RESULTS | {"format": "2"}),
    "results as text": json.dumps(RESULTS | {"results": "all right"}),
    "numbers as text": results(latency_ms={"a": [["1.0"]]}),
    "NaN": results(latency_ms={"a": [[float("nan")]]}),
    "infinity": results(latency_ms={"a": [[float("inf")]]}),
    "a number of 5,000 digits": json.dumps(RESULTS).replace("1.0", "1" * 5000),
    "right as text": results(right="yes"),
    "ran without a verdict": results(right=None),
    "a key too many": results(more=1),
    "deep cases": results().replace('"cases": []', f'"cases": {DEEP}'),
    "an artifact that is a path": json.dumps(RESULTS | {"artifacts": {"../../etc/passwd": "a"}}),
    "says wrong": results(right=False),
}  # fmt: skip


def arrays(folder: Path, kind: str) -> Path:
    """Write inputs for a graph of x and return the file: a program, a bomb, a stub."""
    import numpy as np

    path = folder / "inputs.npz"
    if kind == "a program":
        np.savez(path, x=np.array([Payload(folder / "canary")], dtype=object))
    elif kind == "a stub":
        np.savez(path, x=np.zeros((1, 4), np.float32))
        path.write_bytes(path.read_bytes()[:-30])
    else:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 4), }"
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    return path


INPUTS = ("a program", "a stub", "four terabytes")
