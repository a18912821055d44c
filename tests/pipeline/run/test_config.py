"""Configuration files: both spellings, both formats, every kind of junk named."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.run.config import read_config

EXPECTED = {
    "model": "zh-en",
    "dry_run": True,
    "targets": ("ort-cpu",),
    "export": {"kv_cache": "none", "opset": 21},
    "build-engine": {"min_shapes": ("a:1", "a:2")},
}
TOML = """
model = "zh-en"
dry-run = true
targets = ["ort-cpu"]
[export]
kv-cache = "none"
opset = 21
[build-engine]
min_shapes = ["a:1", "a:2"]
"""
YAML = """
model: zh-en
dry-run: true
targets: [ort-cpu]
export: {kv-cache: none, opset: 21}
build-engine:
  min_shapes: ["a:1", "a:2"]
"""


@pytest.mark.parametrize(("name", "text"), [("c.toml", TOML), ("c.yaml", YAML), ("c.yml", YAML)])
def test_both_formats_read_alike(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_config(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("c.toml", "model = ", "not TOML"),
        ("c.yaml", "a: [1", "not YAML"),
        ("c.yaml", "- a", "a list, not a mapping"),
        ("c.ini", "", r"not \.ini"),
        ("c", "", "not nothing"),
        ("c.yaml", b"\xff\xfe\x00", "cannot be read"),
    ],
    ids=["toml", "yaml", "list", "suffix", "no-suffix", "bytes"],
)
def test_junk_is_named(tmp_path, name, text, says):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=says):
        read_config(tmp_path / name)


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_config(tmp_path / "c.toml")


def test_an_empty_file_says_nothing(tmp_path):
    (tmp_path / "c.yaml").write_text("")
    assert read_config(tmp_path / "c.yaml") == {}
