"""Whole checkpoints pass; wrong, half and damaged ones are named for what they are."""

import json
import struct

import pytest

from pipeline.errors import BadModelError
from pipeline.stages.export.checkpoint import read_checkpoint


def safetensors_bytes(size=16, lie=0):
    header = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size - lie)


def offsets(text):
    """A header with any text in the place of its offsets."""
    header = b'{"w": {"dtype": "F32", "shape": [4], "data_offsets": [' + text.encode() + b"]}}"
    return struct.pack("<Q", len(header)) + header + bytes(16)


def put(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


CONFIG = {"model_type": "bert"}


def test_a_sharded_checkpoint_and_its_files(tmp_path):
    put(
        tmp_path,
        config__json=CONFIG,
        model__safetensors__index__json={
            "weight_map": {"a": "a.safetensors", "b": "a.safetensors"}
        },
        a__safetensors=safetensors_bytes(),
        tokenizer__json={},
    )
    found = read_checkpoint(tmp_path)
    assert [path.name for path in found.weights] == ["a.safetensors"]
    assert found.tokenizer
    names = {path.name for path in found.files}
    assert names == {"a.safetensors", "config.json", "model.safetensors.index.json",
                     "tokenizer.json"}  # fmt: skip


@pytest.mark.parametrize(
    ("files", "says", "helps"),
    [
        ({"notes__txt": b"hi"}, "no config.json", "from_pretrained"),
        ({"params__json": {}}, "no config.json", "--checkpoint"),
        ({"a__gguf": b"GGUF", "b__gguf": b"GGUF"}, "2 GGUF files", "name one"),
        ({"a__gguf": b"PK.."}, "does not begin with GGUF", "again"),
        ({"config__json": b"{not json"}, "config.json cannot be read", "again"),
        ({"config__json": b"[]"}, "is not an object", "again"),
        ({"config__json": b"[" * 10**5}, "nested deeper", "again"),
        ({"config__json": {"model_type": ["bert"]}}, "a model_type that is a list", "again"),
        ({"config__json": {"num_hidden_layers": 10**9}}, "num_hidden_layers=1000000000", "again"),
        ({"config__json": {"t": {"n_layer": 10**9}}}, "t.n_layer=1000000000", "again"),
        (
            {"config__json": CONFIG, "model__safetensors": offsets('"0", "16"')},
            "unreadable header",
            "again",
        ),
        (
            {"config__json": CONFIG, "model__safetensors": offsets("[" * 10**5)},
            "unreadable header",
            "again",
        ),
        ({"config__json": CONFIG}, "no weights beside it", "model.safetensors"),
        ({"config__json": CONFIG, "part__safetensors": b""}, "belong to no index", "half"),
        (
            {"config__json": CONFIG, "model__safetensors__index__json": {"weight_map": {"a": "x"}}},
            "1 of 1 weight files are missing: x",
            "whole",
        ),
        (
            {
                "config__json": CONFIG,
                "model__safetensors__index__json": {"weight_map": {"a": "../x"}},
            },
            "points out of the folder",
            "again",
        ),
        (
            {"config__json": CONFIG, "model__safetensors__index__json": {}},
            "has no weight_map",
            "again",
        ),
        (
            {"config__json": CONFIG, "model__safetensors": safetensors_bytes(lie=3)},
            "where its header speaks of",
            "again",
        ),
        ({"config__json": CONFIG, "model__safetensors": b"abc"}, "cut off", "again"),
        (
            {"config__json": CONFIG, "model__safetensors": struct.pack("<Q", 3) + b"{x}"},
            "unreadable header",
            "again",
        ),
        (
            {"config__json": CONFIG, "model__safetensors": b"version https://git-lfs"},
            "git-lfs pointer",
            "git lfs pull",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_a_whole_checkpoint(tmp_path, files, says, helps):
    put(tmp_path, **files)
    with pytest.raises(BadModelError, match=says) as caught:
        read_checkpoint(tmp_path)
    assert helps in caught.value.fix


def test_a_file_that_is_no_checkpoint(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(BadModelError, match=r"model\.pt is not a checkpoint"):
        read_checkpoint(tmp_path / "model.pt")
