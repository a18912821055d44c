"""What answers mean, as data."""

from __future__ import annotations

import pytest

from pipeline.records.record import as_json, read
from pipeline.records.task import ClassesSpec, EmbeddingSpec

EMBEDDING = EmbeddingSpec(
    pooling=("cls", "mean"), steps=("dense", "normalize"), size=16, prompts={"query": "q: "}
)


@pytest.mark.parametrize("spec", [EMBEDDING, ClassesSpec(labels=("a", "b"), function="sigmoid")])
def test_it_survives_its_json_form(spec):
    assert read(type(spec), as_json(spec)) == spec


@pytest.mark.parametrize(
    ("kind", "told", "says"),
    [
        (EmbeddingSpec, {"pooling": ["median"], "steps": [], "size": 4}, "pooling"),
        (EmbeddingSpec, {"pooling": ["cls"], "steps": [], "size": "4"}, "size"),
        (ClassesSpec, {"labels": ["a"], "function": "relu"}, "function"),
        (ClassesSpec, {"labels": "ab", "function": "none"}, "labels"),
    ],
)
def test_what_is_not_known_is_refused(kind, told, says):
    with pytest.raises(ValueError, match=says):
        read(kind, told)
