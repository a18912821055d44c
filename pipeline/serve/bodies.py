"""Reading a request without trusting it, and hearing that its client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from pipeline.serve.refusals import RefusedError

Made = TypeVar("Made")


async def body_of(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        RefusedError: It is larger than allowed, or the client left while sending it.
    """
    told = request.headers.get("content-length", "0")
    if told.isdigit() and int(told) > most:
        raise _too_large(most)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
    except ClientDisconnect as error:
        raise RefusedError(400, "the client left") from error
    return b"".join(parts)


async def unless_left(request: Request, work: Coroutine[Any, Any, Made]) -> Made:
    """Return what some work makes; it is cancelled if the client leaves before.

    Raises:
        RefusedError: The client left.
    """
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise RefusedError(499, "the client left")
        return doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _too_large(most: int) -> RefusedError:
    return RefusedError(
        413,
        f"the body is larger than {most} bytes",
        code="too_large",
        headers={"Connection": "close"},
    )
