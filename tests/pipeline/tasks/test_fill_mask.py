"""Words for masked places."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from pipeline.errors import UsageError
from pipeline.tasks.fill_mask import fill, fill_masks
from pipeline.tasks.options import TextOptions
from pipeline.tasks.source import TextSource
from tests.pipeline.tasks.folders import TABLE, folder_for, heads

ROWS, OUT = numpy_helper.to_array(TABLE).astype(np.float64), numpy_helper.to_array(heads(100))


def softmax(scores):
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()


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
