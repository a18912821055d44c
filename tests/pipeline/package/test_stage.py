"""Packages appear whole, with their runtime's verdict, or not at all."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from pipeline.artifacts import Folder, open_folder
from pipeline.claims.packages import package_claims
from pipeline.cli.app import group
from pipeline.errors import FolderError, UsageError
from pipeline.package.options import PackageOptions
from pipeline.package.stage import package_folder
from tests.pipeline.tasks.folders import folder_for

QUIET = {"HF_HUB_OFFLINE": "1"}


def runtime(tmp_path, code, right=True, says="fine"):
    """Return a Python that answers every check the same way."""
    told = json.dumps({"findings": [{"what": "all", "right": right, "says": says}]})
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho '{told}'\nexit {code}\n")
    script.chmod(0o755)
    return script


@pytest.fixture
def folder(tmp_path):
    return folder_for("generate", tmp_path)


def test_the_verdict_is_the_runtime_s(folder, tmp_path):
    for number, right in enumerate((True, False)):
        options = PackageOptions(
            folder, tmp_path / f"p{number}", ("genai",),
            python={"genai": runtime(tmp_path, int(not right), right)},
        )  # fmt: skip
        made = package_folder(options)
        assert (made.passed, made.packages[0].verdict.right) == (right, right)
        assert (made.packages[0].path / "genai_config.json").is_file()  # a wrong one stays
        assert made.packages[0].size_bytes > 1000


def test_the_verdict_is_kept_where_its_claim_is_read(folder, tmp_path):
    python = {"genai": runtime(tmp_path, 1, False, "3 instead of 4")}
    package_folder(PackageOptions(folder, tmp_path / "p", ("genai",), python=python))
    (claim,) = package_claims(open_folder(folder))
    assert (claim.state, claim.evidence) == ("broken", "all: 3 instead of 4")
    package_folder(PackageOptions(folder, tmp_path / "q", ("genai",), verify=False))
    (claim,) = package_claims(open_folder(folder))
    assert (claim.state, claim.evidence) == ("unchecked", "not checked here: not asked for")


def test_a_folder_that_cannot_be_written_is_packaged_all_the_same(folder, tmp_path, monkeypatch):
    def refuse(folder, name, data):
        raise FolderError("no room")

    monkeypatch.setattr(Folder, "write", refuse)
    notes = []
    progress = SimpleNamespace(step=lambda *told: None, note=notes.append)
    package_folder(PackageOptions(folder, tmp_path / "p", ("genai",), verify=False), progress)
    assert notes == ["the verdict is not kept, and no claim tells it: no room"]


def test_without_the_runtime_it_is_told_unchecked(folder, tmp_path):
    made = package_folder(PackageOptions(folder, tmp_path / "p", ("genai",)))
    (package,) = made.packages
    assert (made.passed, package.verdict.right) == (True, None)
    assert "onnxruntime_genai is not installed" in package.verdict.reason


def test_a_format_that_cannot_hold_it_leaves_nothing(folder, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"no config\.json"):
        package_folder(PackageOptions(folder, tmp_path / "p", ("genai", "optimum"), verify=False))
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_there_is_not_written_over(folder, tmp_path):
    (tmp_path / "p").mkdir()
    package_folder(PackageOptions(folder, tmp_path / "p", ("genai",), verify=False))  # empty: fine
    with pytest.raises(UsageError, match="there already"):
        package_folder(PackageOptions(folder, tmp_path / "p", ("genai",), verify=False))


@pytest.mark.parametrize(("right", "code", "word"), [(True, 0, "should"), (False, 1, "WRONG")])
def test_the_command_line_says_it(folder, tmp_path, right, code, word):
    python = f"genai={runtime(tmp_path, code, right, '3 instead of 4')}"
    words = ["package", str(folder), "-o", str(tmp_path / "p"), "--format", "genai"]
    ended = CliRunner().invoke(group, [*words, "--python", python], standalone_mode=False)
    assert ended.return_value == code, ended.output
    assert word in ended.output
    assert ("3 instead of 4" in ended.output) is not right
    words[3] = str(tmp_path / "q")
    told = CliRunner().invoke(group, [*words, "--python", python, "--json"], standalone_mode=False)
    made = json.loads(told.stdout)
    assert (made["passed"], made["packages"][0]["right"]) == (right, right)
