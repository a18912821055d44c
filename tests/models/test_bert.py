"""BERT and its heads against transformers' own, from the same tiny random checkpoint."""

import pytest
import torch

from models.bert import BertConfig, BertEmbedder, config_from_hugging_face
from models.errors import ModelError
from models.presets import BERT_TASKS, PRESETS
from models.weights import fill_seeded

# Float32 rounding through two layers stays near 1e-6; a wrong formula is off by 1e-2 or more.
TOLERANCE = 3e-5
CLASSES = {
    "feature-extraction": "BertModel",
    "fill-mask": "BertForMaskedLM",
    "text-classification": "BertForSequenceClassification",
    "token-classification": "BertForTokenClassification",
}


def reference(task: str):
    import transformers

    config = transformers.BertConfig(
        vocab_size=61, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=40, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(0)
    model = getattr(transformers, CLASSES[task])(config).eval()
    for name, parameter in model.named_parameters():  # the library starts biases at 0
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn(parameter.shape)
        assert name
    return model


@pytest.fixture
def inputs():
    noise = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 61, (3, 9), generator=noise)
    mask, types = torch.ones(3, 9, dtype=torch.int64), torch.zeros(3, 9, dtype=torch.int64)
    mask[1, 6:], types[:, 5:] = 0, 1
    return ids, mask, types


@pytest.mark.parametrize("task", BERT_TASKS)
def test_matches_transformers(task, inputs, tmp_path):
    theirs = reference(task)
    theirs.save_pretrained(tmp_path)
    ours = PRESETS["bert-tiny"].build(checkpoint=tmp_path, task=task)
    ids, mask, types = inputs
    with torch.no_grad():
        expected = theirs(input_ids=ids, attention_mask=mask, token_type_ids=types)[0]
        got = ours(ids, mask, types)[0]
    torch.testing.assert_close(got, expected, atol=TOLERANCE, rtol=0)


def test_sentence_embedding_is_the_unit_mean_of_real_tokens(inputs):
    model = fill_seeded(BertEmbedder(BertConfig(61, 32, 4, 1, 48, 40)), seed=0).eval()
    ids, mask, types = inputs
    hidden, embedding = model(ids, mask, types)
    mean = hidden[1, :6].mean(0)
    torch.testing.assert_close(embedding[1], mean / mean.norm(), atol=TOLERANCE, rtol=0)


def test_a_head_the_checkpoint_lacks_is_refused(tmp_path):
    reference("feature-extraction").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="missing"):
        PRESETS["bert-tiny"].build(checkpoint=tmp_path, task="text-classification")


def test_another_activation_is_refused():
    with pytest.raises(ModelError, match="relu"):
        config_from_hugging_face({"hidden_act": "relu"})


def test_base_and_large_are_the_papers_sizes():
    base, large = (BertConfig(**PRESETS[name].sizes) for name in ("bert-base", "bert-large"))
    assert (base.layers, base.width, base.heads) == (12, 768, 12)
    assert (large.layers, large.width, large.heads, large.hidden) == (24, 1024, 16, 4096)
