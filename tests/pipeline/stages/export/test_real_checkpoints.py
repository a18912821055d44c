"""Real checkpoints: exported and optimized files say what PyTorch says, token for token."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.ort.session import OrtOptions
from pipeline.records.export import ExportRecord
from pipeline.stages.export.load import reload_parts
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.stage import export_model
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from pipeline.stages.runners.ort_runner import OrtRunner

_SPEC = importlib.util.spec_from_file_location(
    "real_checkpoints", Path(__file__).parents[3] / "real_checkpoints.py"
)
real = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(real)

COSINES = (0.926, 0.004)  # of the paraphrase and of the unrelated pair below, by transformers
pytestmark = [pytest.mark.slow, pytest.mark.network]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    made = {}

    def export(source: Path):
        if source not in made:
            folder = tmp_path_factory.mktemp(source.stem)
            made[source] = export_model(ExportOptions(model=str(source), output=folder))
        return made[source]

    return export


def optimized(artifact):
    """Return the artifact fused for ONNX Runtime's CPU; nothing may be left out."""
    made = optimize_model(OptimizeOptions(artifact.folder))
    counts = made.facts["parts"]["model"]["counts"]
    for kind in ("attention", "norm"):
        assert counts[kind]["fused"] > 0, counts
        assert counts[kind]["refused"] == 0, counts
    return made


def greedy_torch(artifact, prompt, count):
    """Return the tokens transformers itself generates."""
    (part,) = reload_parts(ExportRecord.of(artifact).model, artifact.folder).parts
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = part.module.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=count,
            eos_token_id=-1, pad_token_id=0,
        )  # fmt: skip
    return out[0, len(prompt) :].tolist()


def greedy_onnx(artifact, prompt, count):
    """Return the likeliest tokens, the cache passed from step to step; the first past is empty."""
    facts = artifact.facts["parts"]["model"]
    session = OrtRunner(artifact.path(facts["file"]), OrtOptions(threads=2))
    past = {
        value["name"]: np.zeros([1, value["shape"][1], 0, value["shape"][3]], np.float32)
        for value in facts["inputs"]
        if value["name"].startswith("past_key_values.")
    }
    new, tokens, seen = list(prompt), [], 0
    for _ in range(count):
        feeds = {
            "input_ids": np.array([new]),
            "attention_mask": np.ones((1, seen + len(new)), np.int64),
            "position_ids": np.arange(seen, seen + len(new))[None],
        }
        made = session.run(feeds | past)
        past = {name: made[name.replace("past_key_values", "present")] for name in past}
        seen += len(new)
        new = [int(made["logits"][0, -1].argmax())]
        tokens += new
    return tokens


def test_smollm2_answers_as_in_pytorch(exported):
    from transformers import AutoTokenizer

    artifact = exported(real.smollm2())
    assert artifact.facts["task"] == "text-generation"
    tokenizer = AutoTokenizer.from_pretrained(artifact.path("tokenizer"))
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True)["input_ids"]
    wanted = greedy_torch(artifact, prompt, 24)
    assert greedy_onnx(artifact, prompt, 24) == wanted
    assert greedy_onnx(optimized(artifact), prompt, 24) == wanted
    assert "The capital of France is Paris." in tokenizer.decode(wanted)


def test_stories15m_tells_the_same_story(exported):
    artifact = exported(real.stories15m())
    tokens = greedy_onnx(artifact, [1], 40)
    assert tokens == greedy_torch(artifact, [1], 40)
    assert tokens == greedy_onnx(optimized(artifact), [1], 40)
    pieces = real.stories15m_pieces()
    story = "".join(pieces[token] for token in tokens).strip()
    assert story.startswith("Once upon a time, there was a little girl named Lily.")


def test_minilm_finds_the_paraphrase(exported):
    from transformers import AutoTokenizer

    artifact = exported(real.minilm())
    tokenizer = AutoTokenizer.from_pretrained(artifact.path("tokenizer"))
    texts = [
        "A man is eating food.", "A man is eating a meal.", "The stock market fell sharply today.",
    ]  # fmt: skip
    feeds = dict(tokenizer(texts, padding=True, return_tensors="np"))
    (part,) = reload_parts(ExportRecord.of(artifact).model, artifact.folder).parts
    wanted = part.module(*(torch.tensor(feeds[name]) for name in part.inputs))[0].numpy()
    found = {"torch": wanted}
    for made in (artifact, optimized(artifact)):
        with OrtRunner(made.path(made.facts["parts"]["model"]["file"])) as runner:
            found[made.stage] = runner.run(feeds)["last_hidden_state"]
    assert len(found) == 3
    mask = feeds["attention_mask"][..., None]
    for states in found.values():
        # float32 over six layers, values near 1; measured 2e-6
        np.testing.assert_allclose(states, wanted, rtol=0, atol=2e-5)
        means = (states * mask).sum(1) / mask.sum(1)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        cosines = (means[0] @ means[1], means[0] @ means[2])
        np.testing.assert_allclose(cosines, COSINES, rtol=0, atol=5e-4)  # their last digit
