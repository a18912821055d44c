"""What a classifier's scores stand for, as its configuration says.

**Source**: transformers' text-classification pipeline (which function its scores go through), and
sentence-transformers' CrossEncoder (its default activation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import UsageError
from pipeline.records.task import ClassesSpec, ScoreFunction

CLASSIFYING = (
    "text-classification",
    "token-classification",
    "image-classification",
    "audio-classification",
)
FUNCTIONS: dict[str, ScoreFunction] = {
    "Sigmoid": "sigmoid",
    "Identity": "none",
    "Softmax": "softmax",
    "sigmoid": "sigmoid",
    "none": "none",
    "softmax": "softmax",
}


def classes_of(config: Any, task: str) -> ClassesSpec | None:
    """Return labels and function of a classifier, None for any other task.

    Args:
        config: A configuration of transformers.
        task: What the model was loaded for.

    Raises:
        UsageError: It asks for a function that is not known.
    """
    if task not in CLASSIFYING:
        return None
    names: Mapping[Any, Any] = getattr(config, "id2label", None) or {}
    named = {int(place): str(label) for place, label in names.items()}
    count = int(getattr(config, "num_labels", 0) or len(named))
    labels = tuple(named.get(place, f"LABEL_{place}") for place in range(count))
    return ClassesSpec(labels=labels, function=_function(config, task, count))


def _function(config: Any, task: str, count: int) -> ScoreFunction:
    told = _told(config)
    if told is not None:
        function = FUNCTIONS.get(told.rpartition(".")[2])
        if function is None:
            raise UsageError(
                f"the scores go through {told}, which is not one of {', '.join(FUNCTIONS)}",
                where="config.json",
                fix="wrap the model in a function: file.py:function",
            )
        return function
    problem = getattr(config, "problem_type", None)
    if problem == "regression":
        return "none"
    one_score = count == 1 and task == "text-classification"
    return "sigmoid" if problem == "multi_label_classification" or one_score else "softmax"


def _told(config: Any) -> str | None:
    """Return the function that a configuration names itself."""
    cross_encoder = getattr(config, "sentence_transformers", None)
    named = cross_encoder.get("activation_fn") if isinstance(cross_encoder, dict) else None
    for found in (
        named,
        getattr(config, "sbert_ce_default_activation_function", None),
        getattr(config, "function_to_apply", None),
    ):
        if isinstance(found, str):
            return found
    return None
