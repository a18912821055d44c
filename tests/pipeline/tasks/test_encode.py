"""What all encoders' answers share."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.tasks.classify import classify_texts
from pipeline.tasks.embed import embed_texts
from pipeline.tasks.encode import sigmoid, softmax
from pipeline.tasks.options import ClassifyOptions, EmbedOptions
from tests.pipeline.tasks.folders import encoder, language_model, write_folder


def test_what_the_graph_lacks_or_wants_is_said(tmp_path):
    wrong = write_folder(tmp_path / "one", "text-classification", encoder(), "wordpiece")
    with pytest.raises(UsageError, match="gives last_hidden_state, not logits"):
        classify_texts(ClassifyOptions(wrong, ("a",)))
    wrong = write_folder(tmp_path / "two", "feature-extraction", language_model(), "wordpiece")
    with pytest.raises(UsageError, match="the model wants position_ids"):
        embed_texts(EmbedOptions(wrong, ("a",)))


def test_probabilities_of_large_scores_are_finite():
    scores = np.array([-1000.0, 0.0, 1000.0])
    np.testing.assert_allclose(sigmoid(scores), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(softmax(scores), [0.0, 0.0, 1.0])
