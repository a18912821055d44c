"""What scores stand for: what transformers' own pipeline and a cross-encoder make of them."""

from __future__ import annotations

import pytest
from transformers import BertConfig

from pipeline.errors import UsageError
from pipeline.stages.export.classes import classes_of

TEXT = "text-classification"


@pytest.mark.parametrize(
    ("told", "function"),
    [
        ({"num_labels": 3}, "softmax"),
        ({"num_labels": 1}, "sigmoid"),
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, "sigmoid"),
        ({"num_labels": 1, "problem_type": "regression"}, "none"),
        ({"num_labels": 2, "problem_type": "regression"}, "none"),
        ({"num_labels": 3, "function_to_apply": "sigmoid"}, "sigmoid"),
        (
            {"num_labels": 1, "sbert_ce_default_activation_function": "torch.nn.Identity"},
            "none",
        ),
        (
            {
                "num_labels": 1,
                "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
            },
            "none",
        ),
    ],
)
def test_the_function_is_what_the_configuration_says(told, function):
    assert classes_of(BertConfig(**told), TEXT).function == function


def test_labels_have_their_names_in_the_order_of_the_scores():
    config = BertConfig(id2label={1: "bad", 0: "good", 2: "ugly"})
    assert classes_of(config, TEXT).labels == ("good", "bad", "ugly")
    assert classes_of(BertConfig(num_labels=2), TEXT).labels == ("LABEL_0", "LABEL_1")
    assert classes_of(BertConfig(num_labels=1), "token-classification").function == "softmax"


def test_other_tasks_have_no_classes():
    assert classes_of(BertConfig(), "feature-extraction") is None


def test_a_function_that_is_not_known_is_refused():
    with pytest.raises(UsageError, match=r"my\.Swish"):
        classes_of(BertConfig(function_to_apply="my.Swish"), TEXT)
