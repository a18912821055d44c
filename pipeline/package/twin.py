"""A packaged model in Triton's Python backend: whole answers, token by token, where it generates.

Lies in a repository as `twin/1/model.py`, beside what it was told (model.json), the tokenizer and
the sources it imports (lib). Needs numpy and onnxruntime in the backend's Python, and tokenizers
where it is asked in words.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

if __name__ != "pipeline.package.twin":  # in a repository: the toolkit need not be installed
    sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from pipeline.ort.session import OrtOptions
from pipeline.records.tensors import TensorSpec
from pipeline.stages.runners.decoding import Decoder
from pipeline.stages.runners.ort_runner import OrtRunner

MOST_TOKENS = 64  # of an answer, where the request does not say


class Twin:
    """The model itself, without a server.

    Args:
        home: The folder that holds model.json.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.told: dict[str, Any] = json.loads((home / "model.json").read_text(encoding="utf-8"))
        self.parts = {
            part: OrtRunner((home / file).resolve(), OrtOptions(device="cpu"))
            for part, file in self.told["parts"].items()
        }

    @property
    def generates(self) -> bool:
        """Whether it answers with tokens."""
        return "pasts" in self.told

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, of the tokenizers library; what its file says of batches is not meant."""
        file = str(self.home / "tokenizer.json")
        made = importlib.import_module("tokenizers").Tokenizer.from_file(file)
        made.no_padding()
        made.no_truncation()
        made.encode_special_tokens = self.told["split_special_tokens"]
        return made

    @cached_property
    def decoder(self) -> Decoder:
        """What steps the model."""
        pasts = [TensorSpec(name, kind, tuple(shape)) for name, kind, shape in self.told["pasts"]]
        return Decoder(self.parts, pasts)

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what the only graph gives."""
        (runner,) = self.parts.values()
        return runner.run(feeds)

    def continued(self, prompt: list[int], most: int) -> Iterator[int]:
        """Yield the likeliest tokens, up to an end mark or as many as are wanted."""
        ids = np.asarray([prompt], np.int64)
        state = self.decoder.begin(ids, np.ones_like(ids))
        start = self.told["start"]
        fed = ids if start is None else np.full((1, 1), start, np.int64)
        for _ in range(most):
            token = int(self.decoder.step(state, fed)[0, -1].argmax())
            if token in self.told["ends"]:
                return
            yield token
            fed = np.full((1, 1), token, np.int64)


class TritonPythonModel:
    """What the backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the graphs."""
        self.backend = importlib.import_module("triton_python_backend_utils")
        self.twin = Twin(Path(args["model_repository"]) / args["model_version"])

    def execute(self, requests: list[Any]) -> list[Any] | None:
        """Answer requests: at once, or token by token through their senders."""
        if not self.twin.generates:
            return [self._run(request) for request in requests]
        for request in requests:
            self._continue(request)
        return None

    def _run(self, request: Any) -> Any:
        feeds = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        return self._answer(self.twin.run(feeds))

    def _answer(self, arrays: dict[str, np.ndarray]) -> Any:
        tensors = [self.backend.Tensor(name, array) for name, array in arrays.items()]
        return self.backend.InferenceResponse(tensors)

    def _continue(self, request: Any) -> None:
        sender = request.get_response_sender()
        final = self.backend.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        try:
            feeds = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            for arrays in self._tokens(feeds):
                sender.send(self._answer(arrays))
        except Exception as error:
            told = self.backend.TritonError(f"{type(error).__name__}: {error}")
            sender.send(self.backend.InferenceResponse([], told), flags=final)
        else:
            sender.send(flags=final)

    def _tokens(self, feeds: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        if ("prompt" in feeds) == ("ids" in feeds):
            raise ValueError("give either prompt or ids")
        texts = "prompt" in feeds
        prompt = feeds["ids"].tolist() if "ids" in feeds else self._ids(feeds["prompt"][0])
        if not prompt:
            raise ValueError("the prompt is empty")
        most = int(feeds.get("max_new_tokens", [MOST_TOKENS])[0])
        said: list[int] = []
        before = ""
        for token in self.twin.continued(prompt, most):
            made = {"token": np.asarray([token], np.int64)}
            said.append(token)
            if texts:
                whole = self.twin.tokenizer.decode(said)
                if whole.endswith("\ufffd"):  # half a character: it comes with the next token
                    whole = before
                made["text"] = np.asarray([whole[len(before) :].encode()], np.object_)
                before = whole
            yield made

    def _ids(self, text: bytes) -> list[int]:
        return list(self.twin.tokenizer.encode(text.decode("utf-8")).ids)
