"""Code that a manifest names runs on its user's word alone."""

import json
import shutil

import pytest

from pipeline.artifacts import digest_json, open_folder
from pipeline.errors import UnconfirmedCodeError
from pipeline.parity.options import ParityOptions
from pipeline.parity.stage import compare_parity
from pipeline.records.export import ExportRecord
from pipeline.stages.export.consent import code_of, require_consent
from pipeline.stages.export.load import reload_parts
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.source import Source, resolve
from pipeline.stages.export.stage import export_model

CODE = """from pathlib import Path
import torch
from torch import nn
Path(__file__).with_name("ran").touch()
def build():
    return nn.Linear(4, 4), {"input": torch.randn(2, 4)}
"""


@pytest.fixture
def exported(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "my.py").write_text(CODE)
    export_model(ExportOptions(f"{tmp_path / 'my.py'}:build", tmp_path / "out"))
    (tmp_path / "ran").unlink()
    return tmp_path


def model_of(folder):
    return ExportRecord.of(open_folder(folder).require("export", "")).model


def test_what_was_exported_here_runs_again(exported):
    reload_parts(model_of(exported / "out"), exported / "out")
    assert (exported / "ran").exists()


@pytest.mark.parametrize("change", ["elsewhere", "edited"])
def test_what_was_not_exported_here_or_has_changed_is_not_run(exported, monkeypatch, change):
    if change == "elsewhere":
        monkeypatch.setenv("XDG_STATE_HOME", str(exported / "another"))
    else:
        (exported / "my.py").write_text(CODE + "# another\n")
    with pytest.raises(UnconfirmedCodeError, match=r"my\.py:build; that code was not run") as err:
        compare_parity(ParityOptions(exported / "out"))
    assert err.value.exit_code == 2
    assert f"--model {exported / 'my.py'}:build" in err.value.fix
    assert not (exported / "ran").exists()


def test_a_manifest_that_names_other_code_runs_nothing_of_it(exported):
    (exported / "evil.py").write_text(CODE.replace('"ran"', '"evil"'))
    manifest = exported / "out" / "manifest" / "export.json"
    told = json.loads(manifest.read_text().replace("my.py", "evil.py"))
    files = sorted(([file["path"], file["sha256"]] for file in told["files"]), key=str)
    told["digest"] = digest_json({"files": files, "facts": told["facts"]})  # a careful forger's
    told["key"] = digest_json(told["ingredients"])
    manifest.write_text(json.dumps(told))
    with pytest.raises(UnconfirmedCodeError, match=r"evil\.py:build"):
        reload_parts(model_of(exported / "out"), exported / "out")
    assert not (exported / "evil").exists()


def test_the_user_may_name_it_and_nothing_else(exported, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(exported / "another"))
    model, named = model_of(exported / "out"), f"{exported / 'my.py'}:build"
    reload_parts(model, exported / "out", named)
    shutil.copy(exported / "my.py", exported / "other.py")
    with pytest.raises(UnconfirmedCodeError, match=r"other\.py:build is not what"):
        reload_parts(model, exported / "out", f"{exported / 'other.py'}:build")


def test_naming_it_confirms_nothing_for_later(exported, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(exported / "another"))
    model, named = model_of(exported / "out"), f"{exported / 'my.py'}:build"
    reload_parts(model, exported / "out", named)
    with pytest.raises(UnconfirmedCodeError):
        reload_parts(model, exported / "out")


def test_code_that_comes_with_a_checkpoint_counts_too(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {}}))
    source = Source("hf", tmp_path.name, tmp_path)
    trusting = ExportOptions(str(tmp_path), tmp_path / "out", trust_remote_code=True)
    assert code_of(source, trusting) == str(tmp_path)
    with pytest.raises(UnconfirmedCodeError):
        require_consent(source, trusting, tmp_path / "out")
    require_consent(source, ExportOptions(str(tmp_path), tmp_path / "out"), tmp_path / "out")


@pytest.mark.parametrize("model", ["bert-tiny", "hf:org/name"])
def test_models_without_code_of_their_own_need_no_word(model, tmp_path):
    options = ExportOptions(model, tmp_path)
    assert code_of(resolve(model), options) == ""
