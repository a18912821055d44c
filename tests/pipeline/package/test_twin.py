"""The model in Triton's Python backend, against a stand-in of that backend."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers

import pipeline
from pipeline.package import triton
from pipeline.package.subject import open_subject
from pipeline.package.twin import MOST_TOKENS, TritonPythonModel
from pipeline.tokenizer.open import open_tokenizer
from tests.pipeline.tasks.folders import folder_for

FINAL = "final"


class Tensor:
    def __init__(self, name, array):
        self._name, self._array = name, array

    def name(self):
        return self._name

    def as_numpy(self):
        return self._array


class Request:
    """A request whose sender keeps what it is given."""

    def __init__(self, **arrays):
        self.arrays, self.sent, self.flags = arrays, [], []

    def inputs(self):
        return [Tensor(name, array) for name, array in self.arrays.items()]

    def get_response_sender(self):
        return SimpleNamespace(send=self._send)

    def _send(self, response=None, flags=None):
        self.sent += [response] if response is not None else []
        self.flags.append(flags)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    def response(tensors, error=None):
        return SimpleNamespace(arrays={t.name(): t.as_numpy() for t in tensors}, error=error)

    backend = SimpleNamespace(
        Tensor=Tensor, InferenceResponse=response, TritonError=str,
        TRITONSERVER_RESPONSE_COMPLETE_FINAL=FINAL,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", backend)

    def made(name):
        folder, root = folder_for(name, tmp_path), tmp_path / "package"
        root.mkdir()
        triton.write(open_subject(folder, "", None), root, 0)
        model = TritonPythonModel()
        model.initialize({"model_repository": str(root / "models" / "twin"), "model_version": "1"})
        return folder, model

    return made


@pytest.mark.parametrize("name", ["generate", "translate"])
def test_it_streams_what_our_own_runner_answers(opened, name):
    folder, model = opened(name)
    text = "the cat"
    request = Request(
        prompt=np.array([text.encode()], np.object_), max_new_tokens=np.array([5], np.int64)
    )
    assert model.execute([request]) is None
    tokens = [int(piece.arrays["token"][0]) for piece in request.sent]
    with pipeline.load(folder) as ours:
        answers = ours.generate if name == "generate" else ours.translate
        assert tokens == list(answers(text, max_new_tokens=5).tokens[0])
    assert request.flags[-1] == FINAL
    assert request.flags[:-1] == [None] * len(tokens)
    words = b"".join(piece.arrays["text"][0] for piece in request.sent).decode()
    assert words == model.twin.tokenizer.decode(tokens)


def test_a_prompt_is_neither_padded_nor_cut(opened):
    """As the file of a sentence encoder's tokenizer would have it."""
    folder, model = opened("generate")
    file = model.twin.home / "tokenizer.json"
    told = tokenizers.Tokenizer.from_file(str(file))
    told.enable_padding(length=32)
    told.enable_truncation(3)
    told.save(str(file))
    wanted = open_tokenizer(folder / "tokenizer").encode("the cat sat on the mat")
    assert len(wanted) > 3
    assert model._ids(b"the cat sat on the mat") == wanted


def test_ids_are_answered_without_words(opened):
    _, model = opened("generate")
    request = Request(ids=np.array([5, 6], np.int64))
    model.execute([request])
    assert 0 < len(request.sent) <= MOST_TOKENS
    assert all(list(piece.arrays) == ["token"] for piece in request.sent)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({}, "either prompt or ids"),
        ({"ids": np.array([5]), "prompt": np.array([b"a"], np.object_)}, "either prompt or ids"),
        ({"ids": np.array([], np.int64)}, "empty"),
    ],
)
def test_a_request_that_cannot_be_meant_is_told_so(opened, arrays, says):
    _, model = opened("generate")
    request, other = Request(**arrays), Request(ids=np.array([5]), max_new_tokens=np.array([1]))
    model.execute([request, other])
    assert says in request.sent[0].error
    assert request.flags == [FINAL]
    assert len(other.sent) == 1  # the next one is answered


def test_half_a_character_comes_with_the_next_token(opened):
    _, model = opened("generate")
    said = {(1,): "a", (1, 2): "a\ufffd", (1, 2, 3): "aß"}
    model.twin.tokenizer = SimpleNamespace(
        decode=lambda ids: said[tuple(ids)],
        encode=lambda text: SimpleNamespace(ids=[9]),
    )
    model.twin.continued = lambda prompt, most: iter([1, 2, 3])
    request = Request(prompt=np.array([b"x"], np.object_))
    model.execute([request])
    assert [piece.arrays["text"][0].decode() for piece in request.sent] == ["a", "", "ß"]


def test_an_encoder_answers_with_its_arrays(opened):
    folder, model = opened("embed")
    ids = np.array([[5, 6, 7]], np.int64)
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids * 0}
    (answer,) = model.execute([Request(**feeds)])
    with pipeline.load(folder) as ours:
        wanted = ours.run(feeds)
    assert answer.arrays.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(answer.arrays[name], array)
