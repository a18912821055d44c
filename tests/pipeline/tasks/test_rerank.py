"""Documents in the order of their scores."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from pipeline.errors import UsageError
from pipeline.records.task import ClassesSpec
from pipeline.tasks.options import RerankOptions
from pipeline.tasks.rerank import rerank, rerank_texts
from pipeline.tasks.source import TextSource
from tests.pipeline.tasks.folders import TABLE, folder_for, reranker, write_folder

ROWS = numpy_helper.to_array(TABLE).astype(np.float64)
DOCUMENTS = ("The cat sat on the mat.", "a", "abc", "Once upon a time")


@pytest.mark.parametrize("function", ["sigmoid", "none"])
def test_the_best_document_comes_first(tmp_path, function):
    spec = ClassesSpec(labels=("LABEL_0",), function=function)
    folder = write_folder(
        tmp_path / "out", "text-classification", reranker(), "wordpiece", classes=spec
    )
    made = rerank_texts(RerankOptions(folder, DOCUMENTS, query="cat")).rows
    with TextSource(folder) as source:
        assert rerank(source, "cat", DOCUMENTS).rows == made
        batch = source.tokenizer.batch([("cat", document) for document in DOCUMENTS])
    wanted = ROWS[batch.ids].mean(axis=(1, 2))
    assert [row.index for row in made] == np.argsort(-wanted).tolist()
    assert [row.text for row in made] == [DOCUMENTS[row.index] for row in made]
    logits = np.array([row.logit for row in made])
    np.testing.assert_allclose(logits, -np.sort(-wanted), rtol=1e-5)
    scores = 1 / (1 + np.exp(-logits)) if function == "sigmoid" else logits
    np.testing.assert_allclose([row.score for row in made], scores, rtol=1e-6)


def test_a_model_of_several_classes_is_refused(tmp_path):
    folder = folder_for("classify", tmp_path)
    with pytest.raises(UsageError, match="tells 4 classes apart") as caught:
        rerank_texts(RerankOptions(folder, DOCUMENTS, query="cat"))
    assert "--pair" in caught.value.fix
