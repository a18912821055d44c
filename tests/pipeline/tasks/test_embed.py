"""Vectors of texts, from a graph small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from pipeline.errors import UsageError
from pipeline.records.task import EmbeddingSpec
from pipeline.records.tensors import TensorSpec
from pipeline.tasks.embed import embed, embed_texts
from pipeline.tasks.options import EmbedOptions
from pipeline.tasks.source import TextSource
from tests.pipeline.tasks.folders import (
    IDS,
    LOOKED_UP,
    MASK,
    TABLE,
    WIDTH,
    folder_for,
    graph,
    write_folder,
)

ROWS = numpy_helper.to_array(TABLE).astype(np.float64)
TEXTS = ("The cat sat on the mat.", "a")


def test_a_vector_is_the_mean_of_a_texts_own_tokens(tmp_path):
    folder = folder_for("embed", tmp_path)
    made = embed_texts(EmbedOptions(folder, TEXTS))
    with TextSource(folder) as source:
        assert embed(source, TEXTS) == made
        ids = [source.tokenizer.encode(text) for text in TEXTS]
    assert len({len(row) for row in ids}) == 2
    for row, found in zip(ids, made.rows, strict=True):
        mean = ROWS[row].mean(axis=0)
        np.testing.assert_allclose(found.vector, mean / np.linalg.norm(mean), rtol=1e-6)
    assert made.json()["variant"] == "export"
    assert "names no pooling" in made.notes[0]


def sentence_folder(path, **told):
    """Write a sentence encoder whose vector is the state of the first token."""
    first = numpy_helper.from_array(np.array(0), "first")
    nodes = [
        LOOKED_UP,
        helper.make_node("Identity", ["rows"], ["last_hidden_state"]),
        helper.make_node("Gather", ["rows", "first"], ["sentence_embedding"], axis=1),
    ]
    outputs = (
        TensorSpec("last_hidden_state", "float32", ("b", "s", WIDTH)),
        TensorSpec("sentence_embedding", "float32", ("b", WIDTH)),
    )
    parts = {"model": graph(nodes, (IDS, MASK), outputs, [TABLE, first])}
    spec = EmbeddingSpec(pooling=("cls",), steps=(), size=WIDTH, **told)
    return write_folder(path, "feature-extraction", parts, "wordpiece", embedding=spec)


def test_a_sentence_encoder_s_vector_is_the_graph_s(tmp_path):
    folder = sentence_folder(tmp_path / "out")
    made = embed_texts(EmbedOptions(folder, TEXTS))
    with TextSource(folder) as source:
        ids = [source.tokenizer.encode(text)[0] for text in TEXTS]
    np.testing.assert_allclose([row.vector for row in made.rows], ROWS[ids], rtol=1e-6)
    assert made.notes == ()


PROMPTS = {"prompts": {"query": "a", "document": ""}}


def read(source, monkeypatch, **how):
    """Return what the tokenizer is given for one text."""
    got = []
    batch = source.tokenizer.batch
    monkeypatch.setattr(source.tokenizer, "batch", lambda t: got.extend(t) or batch(t))
    embed(source, ["The Cat"], **how)
    return got


@pytest.mark.parametrize(
    ("told", "how", "text"),
    [
        (PROMPTS, {}, "The Cat"),
        (PROMPTS, {"prompt_name": "query"}, "aThe Cat"),
        (PROMPTS, {"prompt": "b "}, "b The Cat"),
        ({**PROMPTS, "default_prompt": "query"}, {}, "aThe Cat"),
        ({**PROMPTS, "default_prompt": "query"}, {"prompt": ""}, "The Cat"),
        ({**PROMPTS, "default_prompt": "query"}, {"prompt_name": "document"}, "The Cat"),
        ({"lower_case": True}, {"prompt": "Q: "}, "q: the cat"),
        ({**PROMPTS, "pools_prompt": False}, {}, "The Cat"),
    ],
)
def test_prompts_stand_before_a_text(tmp_path, monkeypatch, told, how, text):
    with TextSource(sentence_folder(tmp_path / "out", **told)) as source:
        assert read(source, monkeypatch, **how) == [text]


def test_prompts_that_are_not_there_or_not_followed_are_refused(tmp_path):
    with TextSource(sentence_folder(tmp_path / "one", **PROMPTS)) as source:
        with pytest.raises(UsageError, match="no prompt 'passage'") as caught:
            embed(source, TEXTS, prompt_name="passage")
        assert "'query', 'document'" in caught.value.fix
    with (
        TextSource(sentence_folder(tmp_path / "two", **PROMPTS, pools_prompt=False)) as source,
        pytest.raises(UsageError, match="leaves its prompts out"),
    ):
        embed(source, TEXTS, prompt_name="query")
    with TextSource(folder_for("embed", tmp_path)) as source:
        plain = embed(source, ["x a"]).rows[0].vector
        assert embed(source, ["a"], prompt="x ").rows[0].vector == plain
        with pytest.raises(UsageError, match="no prompt 'query'"):
            embed(source, TEXTS, prompt_name="query")


def test_options_reach_it(tmp_path):
    folder = sentence_folder(tmp_path / "out", **PROMPTS)
    made = embed_texts(EmbedOptions(folder, ("b",), prompt_name="query")).rows[0]
    assert made.text == "b"
    assert made.vector == embed_texts(EmbedOptions(folder, ("ab",))).rows[0].vector
