"""Classes of texts and of pairs: what the probabilities are is the checkpoint's word."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from pipeline.records.task import ClassesSpec
from pipeline.tasks.classify import classify, classify_texts
from pipeline.tasks.options import ClassifyOptions
from pipeline.tasks.source import TextSource
from tests.pipeline.tasks.folders import TABLE, WIDTH, classifier, folder_for, write_folder

ROWS = numpy_helper.to_array(TABLE).astype(np.float64)
TEXTS = ("The cat sat on the mat.", "a")
NAMES = ("good", "bad", "long", "short")


def softmax(scores):
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()


def test_classes_come_likeliest_first(tmp_path):
    folder = folder_for("classify", tmp_path)
    with TextSource(folder) as source:
        made = classify(source, TEXTS[:1])
        ids = source.tokenizer.encode(TEXTS[0])
    assert classify_texts(ClassifyOptions(folder, TEXTS[:1])) == made
    chances = softmax(ROWS[ids].mean(axis=0))
    order = np.argsort(-chances)
    found = made.rows[0].classes
    assert [each.label for each in found] == [f"class {i}" for i in order]
    np.testing.assert_allclose([e.probability for e in found], chances[order], rtol=1e-5)
    assert made.json()["answers"][0]["classes"][0] == vars(found[0])


def named(path, function):
    spec = ClassesSpec(labels=NAMES, function=function)
    return write_folder(path, "text-classification", classifier(), "wordpiece", classes=spec)


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "none"])
def test_scores_mean_what_the_checkpoint_says(tmp_path, function):
    with TextSource(named(tmp_path / "out", function)) as source:
        (row,) = classify(source, TEXTS[:1]).rows
        scores = ROWS[source.tokenizer.encode(TEXTS[0])].mean(axis=0)
    found = {each.label: each for each in row.classes}
    assert found.keys() == {*NAMES}
    np.testing.assert_allclose([found[name].logit for name in NAMES], scores, rtol=1e-5)
    told = [found[name].probability for name in NAMES]
    if function == "none":
        assert told == [None] * WIDTH
    else:
        wanted = softmax(scores) if function == "softmax" else 1 / (1 + np.exp(-scores))
        np.testing.assert_allclose(told, wanted, rtol=1e-5)


def test_names_that_do_not_fit_the_graph_are_not_used(tmp_path):
    spec = ClassesSpec(labels=("only",), function="sigmoid")
    folder = write_folder(
        tmp_path / "out", "text-classification", classifier(), "wordpiece", classes=spec
    )
    made = classify_texts(ClassifyOptions(folder, ("a",)))
    assert {each.label for each in made.rows[0].classes} == {f"class {i}" for i in range(WIDTH)}


def test_a_pair_is_read_together(tmp_path):
    folder = named(tmp_path / "out", "none")
    (row,) = classify_texts(ClassifyOptions(folder, ("The cat",), pair="sat")).rows
    with TextSource(folder) as source:
        ids = source.tokenizer.batch([("The cat", "sat")]).ids[0]
        assert ids.tolist().count(ids[-1]) == 2  # two separators
    assert (row.text, row.pair) == ("The cat", "sat")
    scores = np.sort(ROWS[ids].mean(axis=0))[::-1]
    np.testing.assert_allclose([each.logit for each in row.classes], scores, rtol=1e-5)
