"""The check of a package for Optimum, against stand-ins of the libraries."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.package.checks import common
from pipeline.package.checks.optimum import check

LIMITS = {"rms": 1e-6, "quantile": 1e-6, "max": 1e-6}


class Model:
    """Answers with twice its input; continues by counting."""

    config = SimpleNamespace(id2label={0: "cat", 1: "dog"})
    generation_config = SimpleNamespace(eos_token_id=2)

    @classmethod
    def from_pretrained(cls, folder):
        return cls()

    def __call__(self, x):
        return {"logits": 2 * x}

    def generate(self, ids, max_new_tokens, **how):
        assert not how["do_sample"]
        more = ids[:, -1:] + torch.arange(1, max_new_tokens + 1)
        return torch.cat([ids, more], dim=1)


@pytest.fixture
def libraries(monkeypatch):
    tokenizer = SimpleNamespace(
        AutoTokenizer=SimpleNamespace(
            from_pretrained=lambda folder: lambda text: {"input_ids": [len(text)]}
        )
    )
    sentences = SimpleNamespace(
        SentenceTransformer=lambda folder, backend, device: SimpleNamespace(
            encode=lambda texts: np.array([[len(text), 1.0] for text in texts])
        )
    )
    for name, module in (
        ("optimum", ModuleType("optimum")),
        ("optimum.onnxruntime", SimpleNamespace(ORTModel=Model)),
        ("transformers", tokenizer),
        ("sentence_transformers", sentences),
    ):
        monkeypatch.setitem(sys.modules, name, module)


def asked(tmp_path, **more):
    return {"class": "ORTModel", "package": tmp_path, "home": tmp_path, **more}


def rights(found):
    return [one["right"] for one in found]


@pytest.mark.parametrize(("scale", "right"), [(2, True), (3, False)])
def test_outputs_are_compared_by_name(tmp_path, libraries, scale, right):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.savez(tmp_path / "i.npz", x=x)
    np.savez(tmp_path / "o.npz", logits=scale * x, other=x)
    case = {"inputs": "i.npz", "outputs": "o.npz", "limits": {"logits": LIMITS, "other": LIMITS}}
    assert rights(check(asked(tmp_path, outputs=[case]))) == [right]
    np.savez(tmp_path / "o.npz", other=x)
    assert rights(check(asked(tmp_path, outputs=[case]))) == [False]  # nothing of it came back


@pytest.mark.parametrize(("first", "right"), [(8, True), (9, False)])
def test_continuations_labels_and_ids(tmp_path, libraries, first, right):
    told = asked(
        tmp_path, ends=[2], new_tokens=2, texts=[["abc", [3]]], labels=["cat", "dog"],
        tokens=[{"prompt": [7], "new": [first, 9], "margins": [1, 1]}],
    )  # fmt: skip
    assert rights(check(told)) == [True, True, True, right]
    assert rights(check({**told, "labels": ["dog", "cat"]}))[1] is False


@pytest.mark.parametrize(
    ("vector", "right"), [([3.0, 1.0], True), ([1.0, 1.0], False), ([6.0, 2.0], False)]
)
def test_vectors_of_whole_texts(tmp_path, libraries, monkeypatch, vector, right):
    told = asked(tmp_path, texts=[["abc", [3]]], vectors=[vector], vector_limit=1e-6)
    assert rights(check(told)) == [True, right]
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    assert check(told)[1]["says"].startswith("not checked")


def test_without_the_library_nothing_is_checked(monkeypatch):
    monkeypatch.setitem(sys.modules, "optimum", None)
    with pytest.raises(common.NotCheckedError):
        check({})
