"""Work for a client that leaves is given up."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.serve.bodies import unless_left
from pipeline.serve.refusals import RefusedError


class Client:
    """A request whose client leaves after some time."""

    def __init__(self, seconds):
        self._seconds = seconds

    async def receive(self):
        await asyncio.sleep(self._seconds)
        return {"type": "http.disconnect"}


def test_work_is_cancelled_when_the_client_leaves():
    ended = []

    async def work():
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)

    with pytest.raises(RefusedError) as caught:
        asyncio.run(unless_left(Client(0.01), work()))
    assert caught.value.status == 499
    assert ended == [True]


def test_work_that_ends_first_is_answered():
    async def work():
        return 7

    assert asyncio.run(unless_left(Client(30), work())) == 7


def test_its_own_error_is_raised():
    async def work():
        raise ValueError("own")

    with pytest.raises(ValueError, match="own"):
        asyncio.run(unless_left(Client(30), work()))
