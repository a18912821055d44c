"""Everything a user can get wrong: one clear message, the right exit code, nothing left behind."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.cli.app import run


def small_model(path: Path) -> Path:
    """Write a graph of one Add with a weight, and return its path."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 4]) for n in "xy")
    weight = numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder; check the message's form; return it."""
    monkeypatch.chdir(tmp_path)

    def call(*words, code, left=()):
        before = {item.name for item in tmp_path.iterdir()}
        assert run([str(word) for word in words]) == code
        err = capsys.readouterr().err
        assert "Traceback" not in err
        assert "error:" in err.lower()
        after = {item.name for item in tmp_path.iterdir()}
        assert after - before <= set(left), "something was left behind"
        return err

    return call


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("zh-em", "did you mean zh-en"),
        ("nothing-like-it", "there is no model"),
        ("missing.py:build", "missing.py"),
        ("no.such.module:build", "no"),
    ],
)
@pytest.mark.parametrize("command", ["export", "run"])
def test_an_unknown_model(say, command, model, says):
    assert says in say(command, model, "-o", "out", code=2)


def test_a_function_that_does_not_exist(say, tmp_path):
    (tmp_path / "mine.py").write_text("def build():\n    return 1\n")
    assert "buidl" in say("export", "mine.py:buidl", "-o", "out", code=2, left={"__pycache__"})


def test_a_function_that_returns_something_else(say, tmp_path):
    (tmp_path / "mine.py").write_text("def build():\n    return 1\n")
    err = say("export", "mine.py:build", "-o", "out", code=2, left={"__pycache__"})
    assert "return (module, inputs)" in err


JUNK = {
    "missing": (None, "missing.onnx"),
    "empty": (b"", "empty.onnx"),
    "junk": (b"\x00\xff not a graph \xfe" * 50, "junk.onnx"),
    "text": (b"hello", "text.onnx"),
}


@pytest.mark.parametrize("command", ["optimize", "explain", "build-engine"])
@pytest.mark.parametrize(("data", "name"), JUNK.values(), ids=JUNK)
def test_an_unusable_file(say, tmp_path, command, data, name):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    output = () if command == "explain" else ("-o", "out")
    assert name in say(command, name, *output, code=2)


@pytest.mark.parametrize("command", ["optimize", "explain", "build-engine"])
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_file(say, tmp_path, command, keep):
    data = small_model(tmp_path / "m.onnx").read_bytes()
    (tmp_path / "m.onnx").write_bytes(data[: int(len(data) * keep)])
    output = () if command == "explain" else ("-o", "out")
    assert "m.onnx" in say(command, "m.onnx", *output, code=2)


def test_missing_external_data(say, tmp_path):
    model = onnx.load(small_model(tmp_path / "m.onnx"))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data",
              size_threshold=0)  # fmt: skip
    (tmp_path / "m.data").unlink()
    assert "m.data" in say("optimize", "m.onnx", "-o", "out.onnx", code=2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["export", "zh-en", "-o", "out", "--opset", "99"], "99"),
        (["export", "zh-en", "-o", "out", "--dtype", "float8"], "float8"),
        (["export", "zh-en", "-o", "out", "--task", "translat"], "translat"),
        (["export", "zh-en"], "-o"),
        (["export", "-o", "out"], "MODEL"),
        (["optimize", "m.onnx", "-o", "out", "--target", "tensorrtx"], "tensorrtx"),
        (["optimize", "m.onnx", "-o", "out", "--precision", "fp17"], "fp17"),
        (["optimize", "m.onnx", "-o", "out", "--require", "attention"], "attention=12"),
        (["optimize", "m.onnx", "-o", "out", "--disable", "nothing"], "nothing"),
        (["optimize", "m.onnx"], "-o"),
        (["optimize"], "MODEL"),
        (
            ["build-engine", "m.onnx", "-o", "out", "--computeCapabilities", "blackwell"],
            "blackwell",
        ),
        (["build-engine", "m.onnx", "-o", "out", "--minShapes", "x"], "x"),
        (["build-engine", "m.onnx", "-o", "out", "--memPoolSize", "lots"], "workspace:4096"),
        (["run", "zh-en", "-o", "out", "--targets", "gpu"], "gpu"),
        (["run", "zh-en", "-o", "out", "--skip", "prefs"], "perf"),
        (["run", "zh-en"], "-o"),
        (["run", "-o", "out"], "MODEL"),
        (["run", "--config", "missing.toml"], "missing.toml"),
        (["parity", "m.onnx", "--seeds", "0"], "seeds"),
        (["report", "missing"], "missing"),
        (["translate", "missing", "text"], "missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options(say, tmp_path, words, says):
    small_model(tmp_path / "m.onnx")
    assert says in say(*words, code=2)


@pytest.mark.parametrize("command", ["export", "optimize", "run"])
def test_foreign_content_in_the_folder(say, tmp_path, command):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("mine")
    source = small_model(tmp_path / "m.onnx") if command == "optimize" else "transformer-tiny"
    err = say(command, source, "-o", "mine", code=2)
    assert "thesis.tex" in err
    assert [item.name for item in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_file_where_the_folder_should_be(say, tmp_path):
    (tmp_path / "out").write_text("x")
    assert "is a file" in say("export", "transformer-tiny", "-o", "out", code=2)


def test_an_unwritable_folder(say, tmp_path, monkeypatch):
    """mkdir is refused as on a read-only disk; a test run as root could write anywhere."""
    real = Path.mkdir

    def refuse(self, *args, **kwargs):
        if self.is_relative_to(tmp_path / "out"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    small_model(tmp_path / "m.onnx")
    err = say("optimize", "m.onnx", "-o", "out", code=2)
    assert "Permission denied" in err
    assert "-o" in err


def test_a_full_disk(say, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    small_model(tmp_path / "m.onnx")
    monkeypatch.setattr("pipeline.graph.files.model_file.save_model", full)
    err = say("optimize", "m.onnx", "-o", "out", code=2)
    assert "No space left" in err
    assert "free space" in err


def test_a_corrupt_artifact_is_named_by_readers(say, tmp_path):
    small_model(tmp_path / "m.onnx")
    assert run(["optimize", "m.onnx", "-o", "out"]) == 0
    (tmp_path / "out/manifest/folder.json").write_text('{"kind": "other"}')
    assert "something else" in say("optimize", "out", code=2)


def test_missing_bindings(say, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tensorrt_api.installed", lambda: ())
    small_model(tmp_path / "m.onnx")
    err = say("build-engine", "m.onnx", "-o", "out", code=3)
    assert "pip install" in err


def test_json_errors_are_for_scripts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["optimize", "missing.onnx", "-o", "out", "--json"]) == 2
    content = json.loads(capsys.readouterr().out)
    assert "missing.onnx" in content["error"]["what"] + content["error"]["where"]
