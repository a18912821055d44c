"""The key: every named ingredient changes it, and a difference reads as a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.artifacts import ingredients as subject
from pipeline.artifacts.artifact import Artifact

BASE = {
    "stage": "optimize",
    "recipe": {"target": "ort-cpu", "dims": {"batch": [1, 2]}, "weights": "f" * 200},
    "parents": {"export": "d1"},
    "code": {"code pipeline.stages.optimize": "c1", "library torch": "2.13.0"},
}


def gather(monkeypatch, **changed):
    given = {**BASE, **changed}
    monkeypatch.setattr(subject, "code_ingredients", lambda module: given["code"])
    parents = {n: Artifact(Path("x"), n, "k", digest) for n, digest in given["parents"].items()}
    return subject.gather(
        given["stage"], given["recipe"], parents, "pipeline.stages.optimize.stage"
    )


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"stage": "optimise"}, id="stage"),
        pytest.param({"recipe": {**BASE["recipe"], "target": "onnx"}}, id="option"),
        pytest.param({"recipe": {**BASE["recipe"], "dims": {"batch": [2, 1]}}}, id="nested"),
        pytest.param({"recipe": {**BASE["recipe"], "weights": "f" * 199 + "e"}}, id="long"),
        pytest.param({"recipe": {**BASE["recipe"], "target": None}}, id="none-is-a-value"),
        pytest.param({"parents": {"export": "d2"}}, id="parent"),
        pytest.param({"parents": {}}, id="no-parent"),
        pytest.param({"code": {**BASE["code"], "code pipeline.stages.optimize": "c2"}}, id="code"),
        pytest.param({"code": {**BASE["code"], "library torch": "2.12.0"}}, id="library"),
    ],
)
def test_every_ingredient_changes_the_key_and_nothing_else_does(monkeypatch, changed):
    base = subject.key_of(gather(monkeypatch))
    assert subject.key_of(gather(monkeypatch)) == base
    assert subject.key_of(gather(monkeypatch, **changed)) != base


def test_the_name_of_the_parents_folder_is_no_ingredient(monkeypatch):
    assert "x" not in gather(monkeypatch).values()


def test_the_difference_is_told_ingredient_by_ingredient():
    old = {"option a": 1, "option b": "x", "code p": "0" * 64}
    new = {"option a": 2, "option c": None, "code p": "1" * 64}
    assert subject.changes(old, new) == [
        "option a changed: 1 -> 2",
        "option c is new: null",
        "code p changed: 000000000000 -> 111111111111",
        "option b is gone, was x",
    ]


def test_short_values_stay_readable_and_long_ones_become_hashes(monkeypatch):
    found = gather(monkeypatch)
    assert found["option target"] == "ort-cpu"
    assert found["option dims.batch"] == [1, 2]
    assert len(found["option weights"]) == 64
