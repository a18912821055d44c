"""Digests: canonical, atomic, and remembered only while a file's stat is unchanged."""

from __future__ import annotations

import hashlib
import os

import pytest

from pipeline.artifacts.digests import StatCache, digest_file, digest_json, write_atomic


def test_a_file_digest_is_its_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert digest_file(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


def test_key_order_does_not_matter_but_list_order_does():
    assert digest_json({"a": 1, "b": [1, 2]}) == digest_json({"b": [1, 2], "a": 1})
    assert digest_json([1, 2]) != digest_json([2, 1])


@pytest.mark.parametrize("pair", [(1, "1"), (None, False), (0.1, 0.10000000000000002), (1, True)])
def test_values_that_differ_have_digests_that_differ(pair):
    assert digest_json(pair[0]) != digest_json(pair[1])


def test_a_failed_write_keeps_the_old_bytes_and_no_temporary(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        write_atomic(path, b"new", durable=True)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["x"]


class Counter:
    def __init__(self):
        self.calls = 0

    def __call__(self, path):
        self.calls += 1
        return digest_file(path)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root/manifest").mkdir(parents=True)
    return tmp_path / "root"


@pytest.mark.parametrize("inside", [True, False], ids=["own", "foreign"])
def test_an_unchanged_file_is_hashed_once_even_by_a_later_process(root, inside):
    file = (root if inside else root.parent) / "model.onnx"
    file.write_text("graph")
    count = Counter()
    first = StatCache(root)
    assert first.digest(file, count) == first.digest(file, count)
    first.save()
    StatCache(root).digest(file, count)
    assert count.calls == 1
    assert str(root.parent).encode() not in (root / "manifest/.stats.json").read_bytes()


@pytest.mark.parametrize("change", ["size", "mtime", "inode"])
def test_a_changed_stat_is_hashed_again(root, change):
    file = root / "model.onnx"
    file.write_text("graph")
    stat = file.stat()
    cache, count = StatCache(root), Counter()
    cache.digest(file, count)
    if change == "size":
        file.write_text("graphs")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "mtime":
        os.utime(file, ns=(1, 1))
    else:
        (root / "other").write_text("grape")
        os.utime(root / "other", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        (root / "other").replace(file)
    cache.digest(file, count)
    assert count.calls == 2


def test_a_damaged_table_is_no_table(root):
    (root / "manifest/.stats.json").write_text("[1, 2")
    (root / "x").write_text("x")
    assert StatCache(root).digest(root / "x") == digest_file(root / "x")
