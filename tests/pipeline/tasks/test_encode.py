"""Vectors, classes and words, from a graph small enough to reckon by hand."""

import json

import numpy as np
import pytest
from onnx import numpy_helper

from pipeline.errors import UsageError
from pipeline.tasks.encode import (
    classify,
    classify_texts,
    embed,
    embed_texts,
    fill,
    fill_masks,
)
from pipeline.tasks.options import TextOptions
from pipeline.tasks.source import TextSource
from tests.pipeline.tasks.folders import (
    TABLE,
    classifier,
    encoder,
    folder_for,
    heads,
    language_model,
    write_folder,
)

ROWS, OUT = numpy_helper.to_array(TABLE).astype(np.float64), numpy_helper.to_array(heads(100))
TEXTS = ("The cat sat on the mat.", "a")


def softmax(scores):
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()


def test_a_vector_is_the_mean_of_a_texts_own_tokens(tmp_path):
    folder = folder_for("embed", tmp_path)
    made = embed_texts(TextOptions(folder, TEXTS))
    with TextSource(folder) as source:
        assert embed(source, TEXTS) == made
        ids = [source.tokenizer.encode(text) for text in TEXTS]
    assert len({len(row) for row in ids}) == 2
    for row, found in zip(ids, made.rows, strict=True):
        mean = ROWS[row].mean(axis=0)
        np.testing.assert_allclose(found.vector, mean / np.linalg.norm(mean), rtol=1e-6)
    assert made.json()["variant"] == "export"


def test_classes_come_likeliest_first(tmp_path):
    folder = folder_for("classify", tmp_path)
    with TextSource(folder) as source:
        made = classify(source, TEXTS[:1])
        ids = source.tokenizer.encode(TEXTS[0])
    assert classify_texts(TextOptions(folder, TEXTS[:1])) == made
    chances = softmax(ROWS[ids].mean(axis=0))
    order = np.argsort(-chances)
    found = made.rows[0].classes
    assert [each.label for each in found] == [f"class {i}" for i in order]
    np.testing.assert_allclose([e.probability for e in found], chances[order], rtol=1e-5)
    assert made.json()["answers"][0]["classes"][0] == vars(found[0])


def test_classes_have_the_names_that_came_with_them(tmp_path):
    folder = write_folder(tmp_path / "out", "text-classification", classifier(), "wordpiece")
    (folder / "tokenizer" / "labels.json").write_text(json.dumps({"0": "good", "1": "bad"}))
    found = classify_texts(TextOptions(folder, ("a",))).rows[0].classes
    assert {"good", "bad", "class 2"} < {each.label for each in found}


def test_every_mask_is_filled_with_the_likeliest_words(tmp_path):
    folder = folder_for("fill-mask", tmp_path)
    with TextSource(folder) as source:
        made = fill(source, ("The [MASK] sat [MASK]",))
        mask, tokenizer = source.tokenizer.mask_id, source.tokenizer
        chances = softmax(ROWS[mask] @ OUT)
        wanted = [tokenizer.decode([i], special=True) for i in np.argsort(-chances)[:5].tolist()]
    assert fill_masks(TextOptions(folder, ("The [MASK] sat [MASK]",))) == made
    assert [[word.word for word in words] for words in made.rows[0].masks] == [wanted] * 2


def test_a_text_without_a_mask_is_named(tmp_path):
    with pytest.raises(UsageError, match="no mask in 'The cat'") as caught:
        fill_masks(TextOptions(folder_for("fill-mask", tmp_path), ("The cat",)))
    assert "[MASK]" in caught.value.fix


def test_what_the_graph_lacks_or_wants_is_said(tmp_path):
    wrong = write_folder(tmp_path / "one", "text-classification", encoder(), "wordpiece")
    with pytest.raises(UsageError, match="gives last_hidden_state, not logits"):
        classify_texts(TextOptions(wrong, ("a",)))
    wrong = write_folder(tmp_path / "two", "feature-extraction", language_model(), "wordpiece")
    with pytest.raises(UsageError, match="the model wants position_ids"):
        embed_texts(TextOptions(wrong, ("a",)))
