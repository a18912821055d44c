"""A sentence's vector in the graph: what its definition gives, from checkpoint to answer."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertModel

import pipeline
from pipeline.errors import BadModelError, UsageError
from pipeline.records.task import Pooling
from pipeline.stages.export.sentence import pool
from pipeline.stages.export.sentence_files import read_sentence_folder
from tests.pipeline.stages.export.sentence_folders import (
    OUT,
    SIZE,
    dense,
    sentence_encoder,
    write,
)

STATES = np.random.default_rng(0).normal(size=(2, 5, SIZE)).astype(np.float32)
RIGHT = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])


def by_definition(states, mode):
    """Return the vector of one text's own states [T, H]."""
    weights = np.arange(1, len(states) + 1)
    return {
        "cls": states[0],
        "max": states.max(axis=0),
        "mean": states.mean(axis=0),
        "mean_sqrt_len": states.sum(axis=0) / np.sqrt(len(states)),
        "weightedmean": (states * weights[:, None]).sum(axis=0) / weights.sum(),
        "lasttoken": states[-1],
    }[mode]


@pytest.mark.parametrize("mode", get_args(Pooling))
def test_pooling_reads_a_texts_own_tokens(mode):
    made = pool(torch.tensor(STATES), torch.tensor(RIGHT), mode).numpy()
    for row, mask, states in zip(made, RIGHT, STATES, strict=True):
        np.testing.assert_allclose(row, by_definition(states[mask == 1], mode), rtol=1e-5)


@pytest.mark.parametrize("mode", ["max", "mean", "lasttoken"])
def test_padding_may_come_first(mode):
    left = RIGHT[:, ::-1].copy()
    made = pool(torch.tensor(STATES), torch.tensor(left), mode).numpy()
    for row, mask, states in zip(made, left, STATES, strict=True):
        np.testing.assert_allclose(row, by_definition(states[mask == 1], mode), rtol=1e-5)


TEXTS = ["The cat sat on the mat, and the cat sat on the mat again.", "A cat"]


def test_an_exported_sentence_encoder_answers_as_its_definition(tmp_path):
    folder = sentence_encoder(tmp_path / "encoder", "cls", "mean")
    pipeline.export_model(pipeline.ExportOptions(str(folder), tmp_path / "out"))
    with pipeline.load(tmp_path / "out") as model:
        assert model.task == "feature-extraction"
        spec = model.record.embedding
        assert (spec.pooling, spec.steps) == (("cls", "mean"), ("dense", "normalize"))
        assert (spec.size, spec.max_length, spec.lower_case) == (OUT, 7, True)
        made = model.embed(TEXTS)
        mine, others = model.embed(TEXTS[1]), model.embed(TEXTS[1].upper())
    tokenizer, bert = AutoTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder)
    weight = dense(tmp_path / "same", 2 * SIZE).numpy()
    for text, vector in zip(TEXTS, made, strict=True):
        ids = tokenizer(text.lower(), truncation=True, max_length=7, return_tensors="pt")
        with torch.no_grad():
            states = bert.eval()(**ids).last_hidden_state[0].numpy()
        assert len(states) <= 7
        pooled = np.concatenate([by_definition(states, mode) for mode in spec.pooling])
        wanted = np.tanh(weight @ pooled + np.arange(OUT) / 10)
        np.testing.assert_allclose(vector, wanted / np.linalg.norm(wanted), atol=1e-5)
    np.testing.assert_array_equal(mine, others)


def test_weights_that_do_not_fit_and_activations_nobody_knows_are_refused(tmp_path):
    folder = sentence_encoder(tmp_path / "one", "mean")
    options = pipeline.ExportOptions(str(folder), tmp_path / "out")
    dense(folder / "2_Dense", SIZE + 1)
    write(folder / "2_Dense" / "config.json", {"in_features": SIZE, "out_features": OUT})
    with pytest.raises(BadModelError, match="do not fit"):
        pipeline.export_model(options)
    for named in ("my.modules.Tanh", "torch.nn.modules.activation.Threshold"):
        dense(folder / "2_Dense", SIZE, named)
        with pytest.raises(UsageError, match="the activation"):
            pipeline.export_model(options)
    dense(folder / "2_Dense")
    (folder / "2_Dense" / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(BadModelError, match="cannot be read"):
        pipeline.export_model(options)
    assert read_sentence_folder(folder) is not None
