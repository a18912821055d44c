"""The least server around onnxruntime-genai's engine, to be measured beside ours.

    python genai_server.py FOLDER PORT

Runs in an environment that has onnxruntime-genai and uvicorn. Answers POST /v1/chat/completions as
a stream of events, greedily. The engine's paged cache needs a GPU, so that its batches are static
ones here: what arrives while one runs waits for its end.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import onnxruntime_genai as og
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route


@dataclass
class Asked:
    """One answer that is wanted, and where its pieces of text go."""

    messages: str
    tokens: int
    loop: asyncio.AbstractEventLoop
    pieces: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)

    def tell(self, piece: str | None) -> None:
        self.loop.call_soon_threadsafe(self.pieces.put_nowait, piece)


class Served:
    """A model whose engine runs in a thread of its own."""

    def __init__(self, folder: str) -> None:
        self._model = og.Model(folder)
        self._tokenizer = og.Tokenizer(self._model)
        self._waiting: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def ask(self, messages: str, tokens: int) -> Asked:
        asked = Asked(messages, tokens, asyncio.get_running_loop())
        self._waiting.put(asked)
        return asked

    def _run(self) -> None:
        engine = og.Engine(self._model)
        events = engine.create_event_buffer(64)
        running: dict[Any, tuple[Asked, Any]] = {}
        while True:
            while not running or not self._waiting.empty():
                asked = self._waiting.get()
                request = engine.create_request()
                options = og.TurnOptions(request)
                options.set_max_generated_tokens(asked.tokens)
                options.set_do_sample(False)
                prompt = self._tokenizer.apply_chat_template(
                    asked.messages, add_generation_prompt=True
                )
                request.begin_turn(self._tokenizer.encode(prompt), options)
                running[request] = asked, self._tokenizer.create_stream()
            for event in engine.run(events) or ():
                asked, stream = running[event.request]
                if event.finish_reason != og.FinishReason.EOS:
                    asked.tell(stream.decode(event.token))
                if event.finish_reason != og.FinishReason.NONE:
                    asked.tell(None)
                    del running[event.request]
                    event.request.close()


def app(served: Served) -> Starlette:
    """Return the one route of chat, and the one that says it is there."""

    async def chat(request: Request) -> StreamingResponse:
        told = await request.json()
        asked = served.ask(json.dumps(told["messages"]), told["max_tokens"])
        return StreamingResponse(_events(asked), media_type="text/event-stream")

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/health", health),
        ]
    )


async def _events(asked: Asked) -> AsyncIterator[str]:
    count = 0
    while (piece := await asked.pieces.get()) is not None:
        count += 1
        yield _event({"choices": [{"delta": {"content": piece}}]})
    yield _event({"choices": [], "usage": {"completion_tokens": count}})
    yield "data: [DONE]\n\n"


def _event(told: dict[str, Any]) -> str:
    return f"data: {json.dumps(told)}\n\n"


if __name__ == "__main__":
    uvicorn.run(app(Served(sys.argv[1])), port=int(sys.argv[2]), log_level="warning")
