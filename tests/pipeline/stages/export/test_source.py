"""What MODEL means, in order of precedence, and near misses for what it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.stages.export.source import resolve


def test_an_existing_path_comes_before_a_preset_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve("transformer-tiny").kind == "preset"
    (tmp_path / "transformer-tiny").mkdir()
    found = resolve("transformer-tiny")
    assert (found.kind, found.name) == ("hf", "transformer-tiny")


def test_functions_in_files_and_modules(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").touch()
    found = resolve("net.py:make")
    assert (found.kind, found.function, found.path.name) == ("function", "make", "net.py")
    dotted = resolve("my.package:make")
    assert (dotted.kind, dotted.module, dotted.path) == ("function", "my.package", None)
    assert resolve("hf:org/name").name == "org/name"


def test_a_models_package_where_python_was_started_does_not_hide_ours(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise RuntimeError('theirs')")
    code = "from pipeline.stages.export.source import resolve; print(resolve('bert-tiny').kind)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ran.stdout == "preset\n", ran.stderr


@pytest.mark.parametrize(
    ("model", "says", "helps"),
    [
        ("transfomer-tiny", "no model", "transformer-tiny"),
        ("org/name", "no model", "hf:org/name"),
        ("./name", "no model", "check the path"),
        ("/srv/name", "no model", "check the path"),
        ("nets.py:make", "no file", "net.py"),
        ("net.py:not a name", "not the name of a function", "net.py:function"),
        ("net.py", "which function", "net.py:function"),
        ("a.onnx", "ONNX already", "pipeline optimize"),
        ("hf:a/b/c", "not ORG/NAME", "hf:ORG/NAME"),
        ("", "empty", "transformer-tiny"),
    ],
)
def test_what_names_nothing_says_what_comes_near(model, says, helps, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").touch()
    (tmp_path / "a.onnx").touch()
    with pytest.raises(UsageError, match=says) as caught:
        resolve(model)
    assert helps in caught.value.fix
