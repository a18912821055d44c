"""The application: which paths there are, and what answers them.

POST /v1/chat/completions, /v1/completions, /v1/embeddings   as OpenAI's clients ask
POST /classify, /translate                                   the tasks they have no word for
GET  /v1/models, /health, /ready, /metrics
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pipeline.serve import completions
from pipeline.serve.batches import Text
from pipeline.serve.bodies import body_of, unless_left
from pipeline.serve.metrics import Metrics
from pipeline.serve.models import Models, ServedModel
from pipeline.serve.options import ServeOptions
from pipeline.serve.refusals import RefusedError, refusal_of
from pipeline.serve.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    RerankRequest,
    TextsRequest,
    as_json,
    read,
)
from pipeline.tasks.options import GenerateOptions
from pipeline.tokenizer.base import Pair

MOST_TEXTS = 2048
_LOG = logging.getLogger(__name__)
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Service:
    """The handlers of one server.

    Args:
        models: What is served.
        options: How.
    """

    def __init__(self, models: Models, options: ServeOptions) -> None:
        self._models, self._options = models, options
        self._metrics = Metrics(models)

    def application(self) -> Starlette:
        """Return the application."""
        asked = {
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._complete,
            "/v1/embeddings": self._embed,
            "/v1/rerank": self._rerank,
            "/classify": self._classify,
            "/translate": self._translate,
        }
        told = {"/v1/models": self._list, "/v1/models/{name}": self._one}
        open_to_all = {"/health": self._health, "/ready": self._ready, "/metrics": self._page}
        routes = [
            *(Route(path, self._guarded(path, do), methods=["POST"]) for path, do in asked.items()),
            *(Route(path, self._guarded(path, do)) for path, do in told.items()),
            *(Route(path, do) for path, do in open_to_all.items()),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})

    def _guarded(self, path: str, handler: Handler) -> Handler:
        """Return a handler that asks for the key, counts, and tells errors as errors."""

        async def handle(request: Request) -> Response:
            started = time.perf_counter()
            try:
                self._check_key(request)
                response = await handler(request)
            except Exception as error:
                refusal = refusal_of(error)
                if refusal.status == 500:
                    _LOG.error("%s failed\n%s", path, traceback.format_exc())
                response = _json(refusal.body, refusal.status, refusal.headers)
            self._metrics.requests.labels(path, str(response.status_code)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - started)
            return response

        return handle

    def _check_key(self, request: Request) -> None:
        wanted = self._options.api_key
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if wanted and not hmac.compare_digest(given.encode("latin-1"), wanted.encode()):
            raise RefusedError(
                401, "the API key is absent or wrong", kind="authentication_error",
                code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip

    async def _chat(self, request: Request) -> Response:
        asked = read(await self._body(request), ChatRequest)
        model = self._model(asked.model)
        return await self._completion(
            request, completions.chat(model, asked, self._options, self._metrics)
        )

    async def _complete(self, request: Request) -> Response:
        asked = read(await self._body(request), CompletionRequest)
        model = self._model(asked.model)
        return await self._completion(
            request, completions.complete(model, asked, self._options, self._metrics)
        )

    async def _completion(self, request: Request, made: completions.Completion) -> Response:
        if made.asked.stream:
            return StreamingResponse(
                made.events(),
                media_type="text/event-stream",
                headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            )
        return _json(await unless_left(request, made.collect()))

    async def _embed(self, request: Request) -> Response:
        asked = read(await self._body(request), EmbeddingRequest)
        model = self._model(asked.model)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        vectors = await self._batched(request, model, "embed", texts)
        data = [
            {"object": "embedding", "index": place, "embedding": _vector(row, asked)}
            for place, row in enumerate(vectors)
        ]
        count = sum(len(model.source.tokenizer.encode(text)) for text in texts)
        usage = {"prompt_tokens": count, "total_tokens": count}
        return _json({"object": "list", "data": data, "model": model.name, "usage": usage})

    async def _classify(self, request: Request) -> Response:
        asked = read(await self._body(request), TextsRequest)
        model = self._model(asked.model)
        rows = await self._batched(request, model, "classify", asked.texts)
        return _json({"model": model.name, "answers": rows})

    async def _rerank(self, request: Request) -> Response:
        asked = read(await self._body(request), RerankRequest)
        model = self._model(asked.model)
        if not asked.query.strip():
            raise RefusedError(400, "the query is empty", param="query")
        pairs = [(asked.query, document) for document in asked.documents]
        scores = await self._batched(request, model, "rerank", pairs)
        order = sorted(range(len(scores)), key=lambda place: -scores[place][1])[: asked.top_n]
        results = [
            {"index": place, "relevance_score": scores[place][0], "logit": scores[place][1]}
            | ({"document": {"text": asked.documents[place]}} if asked.return_documents else {})
            for place in order
        ]
        return _json({"model": model.name, "results": results})

    async def _translate(self, request: Request) -> Response:
        asked = read(await self._body(request), TextsRequest)
        model = self._model(asked.model)
        how = GenerateOptions(model.source.folder.path, ("-",))
        texts = await self._batched(request, model, "translate", asked.texts, how)
        return _json({"model": model.name, "texts": texts})

    async def _batched(
        self,
        request: Request,
        model: ServedModel,
        what: str,
        texts: Sequence[str | Pair],
        how: GenerateOptions | None = None,
    ) -> list[Any]:
        """Return an answer for each text from the batches of a model."""
        if what not in model.batchers:
            raise RefusedError(
                400, f"{model.name} answers {', '.join(model.answers)}, not {what}", param="model"
            )
        if not texts or not all(map(str.strip, _written(texts))) or len(texts) > MOST_TEXTS:
            raise RefusedError(400, f"1 to {MOST_TEXTS} texts, none empty", param="input")
        future = model.batchers[what].submit([Text(text, how) for text in texts])
        return await unless_left(request, _of(future))

    async def _list(self, request: Request) -> Response:
        return _json({"object": "list", "data": [_told(model) for model in self._models]})

    async def _one(self, request: Request) -> Response:
        return _json(_told(self._model(request.path_params["name"])))

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def _ready(self, request: Request) -> Response:
        dead = [model.name for model in self._models if not model.alive]
        return _json({"ready": not dead, "failed": dead}, 503 if dead else 200)

    async def _page(self, request: Request) -> Response:
        return Response(self._metrics.page(), media_type="text/plain; version=0.0.4")

    async def _body(self, request: Request) -> bytes:
        return await body_of(request, self._options.max_body_bytes)

    def _model(self, name: str) -> ServedModel:
        model = self._models.get(name)
        if model is None:
            known = ", ".join(model.name for model in self._models)
            raise RefusedError(
                404, f"there is no model {name!r}; there is {known}", param="model",
                code="model_not_found",
            )  # fmt: skip
        return model


def _written(texts: Sequence[str | Pair]) -> list[str]:
    """Return what has to be there: each text, the second one of a pair."""
    return [text if isinstance(text, str) else text[1] for text in texts]


async def _of(future: Future[Any]) -> Any:
    return await asyncio.wrap_future(future)


def _told(model: ServedModel) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "pipeline",
        "task": model.source.task,
        "variant": model.source.variant,
        "answers": model.answers,
    }


def _vector(row: tuple[float, ...], asked: EmbeddingRequest) -> list[float] | str:
    if asked.encoding_format == "float":
        return list(row)
    return base64.b64encode(np.asarray(row, "<f4").tobytes()).decode()


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(as_json(value), status, headers, media_type="application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = RefusedError(error.status_code, str(error.detail)).body
    return _json(body, error.status_code, dict(error.headers or {}))
