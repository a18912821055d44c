"""A manifest is read back as it was written; anything else is refused with its name."""

from __future__ import annotations

import json

import pytest

from pipeline.artifacts.artifact import Artifact, contents_digest, read_manifest
from pipeline.artifacts.digests import digest_json
from pipeline.errors import FolderError
from pipeline.records.files import FileRecord


@pytest.fixture
def artifact(tmp_path):
    files = (
        FileRecord("onnx/a.onnx", "s" * 64, 5, False),
        FileRecord("onnx/w.data", "t", 7, True),
    )
    facts = {"task": "translation", "数": [1, 2.5, None]}
    ingredients = {"option opset": 23, "parent x": "y"}
    return Artifact(
        folder=tmp_path,
        stage="export",
        key=digest_json(ingredients),
        digest=contents_digest(files, facts),
        ingredients=ingredients,
        parents={"x": "y"},
        files=files,
        facts=facts,
        seconds=1.25,
        peak_rss_bytes=123,
        versions={"torch": "2.13"},
        log=("one", "two"),
        made="2026-01-01T00:00:00+00:00",
    )


def test_round_trip(artifact, tmp_path):
    (tmp_path / "export.json").write_bytes(artifact.to_manifest())
    assert read_manifest(tmp_path, tmp_path / "export.json") == artifact


def test_the_manifest_does_not_say_where_it_is(artifact, tmp_path):
    assert str(tmp_path).encode() not in artifact.to_manifest()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"facts": {"task": "other"}}, "files and facts"),
        ({"files": [{"path": "a", "sha256": "x", "bytes": 1, "shared": False}]}, "files and facts"),
        ({"digest": "d" * 64}, "files and facts"),
        ({"ingredients": {"option opset": 20}}, "ingredients"),
        ({"key": "k" * 64}, "ingredients"),
        ({"parents": {"x": "z"}}, "parents"),
        ({"stage": "perf"}, "another's: it is that of 'perf'"),
    ],
    ids=["facts", "files", "digest", "ingredients", "key", "parents", "stage"],
)
def test_what_was_edited_does_not_fit_its_digests(artifact, tmp_path, change, says):
    told = json.loads(artifact.to_manifest()) | change
    (tmp_path / "export.json").write_text(json.dumps(told))
    with pytest.raises(FolderError, match=says):
        read_manifest(tmp_path, tmp_path / "export.json")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ('{"format": 1}', "missing required field"),
        ('{"format": 99}', "format 99"),
        ("[" * 100_000, "damaged"),
    ],
    ids=["empty", "list", "no-fields", "newer", "deep"],
)
def test_junk_is_refused(tmp_path, text, says):
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(FolderError, match=says) as caught:
        read_manifest(tmp_path, tmp_path / "export.json")
    assert "export.json" in caught.value.where


def test_a_missing_manifest_is_a_folder_error(tmp_path):
    with pytest.raises(FolderError, match="cannot be read"):
        read_manifest(tmp_path, tmp_path / "export.json")


def test_paths_stay_inside(artifact, tmp_path):
    content = json.loads(artifact.to_manifest())
    content["files"][0]["path"] = "/etc/passwd"
    (tmp_path / "export.json").write_text(json.dumps(content))
    with pytest.raises(FolderError, match=r"damaged.*files\[0\]\.path"):
        read_manifest(tmp_path, tmp_path / "export.json")
