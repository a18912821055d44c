"""Many requests at a server of tiny models: every answer is checked against the offline one.

    python -m reports.serving.soak WORK [--requests 20000] [--streams 16]

Of the clients some leave in the middle of a stream and some send what is no request. Writes
soak.json and soak.md: how many were right, wrong or lost, and the memory on the way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil

import pipeline
from reports.common import publish, table
from tests.pipeline.tasks.folders import folder_for

HERE = Path(__file__).resolve().parent
LEAVING, MALFORMED = 0.10, 0.05
WORDS = ("Once", "upon", "a", "time", "there", "was", "small", "town", "cat", "sat")
BAD: tuple[tuple[str, bytes], ...] = (
    ("/v1/completions", b"{"),
    ("/v1/completions", b'{"model": "generate"}'),
    ("/v1/completions", b'{"model": "nobody", "prompt": "a"}'),
    ("/v1/chat/completions", b'{"model": "generate", "messages": []}'),
    ("/v1/embeddings", b'{"model": "generate", "input": "a"}'),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--streams", type=int, default=16)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    folders = {name: given.work / name for name in ("generate", "embed")}
    for name, folder in folders.items():
        if not folder.is_dir():
            folder_for(name, given.work)
    with Server(list(folders.values())) as server:
        tally = asyncio.run(_soak(server, folders, given.requests, given.streams))
    publish(HERE, tally, _page(tally), name="soak")


class Server:
    """`pipeline serve` as a process of its own."""

    def __init__(self, folders: list[Path], *words: str) -> None:
        command = [sys.executable, "-m", "pipeline", "serve", *map(str, folders), "--port", "0"]
        self._process = subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"http://[\d.]+:\d+", line):
                self.url = found[0]
                break

    @property
    def memory_mb(self) -> float:
        """Its resident memory."""
        return psutil.Process(self._process.pid).memory_info().rss / 1e6

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self.said = self._process.communicate(timeout=60)[1]
        self.ended_with = self._process.returncode
        if "Traceback" in self.said or self.ended_with:
            raise SystemExit(f"the server ended with {self.ended_with}:\n{self.said[-2000:]}")


async def _soak(
    server: Server, folders: dict[str, Path], count: int, streams: int
) -> dict[str, Any]:
    prompts = [" ".join(WORDS[: n % 9 + 1]) for n in range(40)]
    expected = {}
    with pipeline.load(folders["generate"]) as model:
        for place, prompt in enumerate(prompts):
            how: dict[str, Any] = {"max_new_tokens": 4 + place % 13, "seed": place}
            how["temperature"] = 0.0 if place % 2 else 0.9
            expected[place] = model.generate(prompt, **how).texts[0]
    chance, tally, numbers = random.Random(0), Counter[str](), iter(range(count))
    memory: list[float] = []
    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:

        async def worker() -> None:
            for number in numbers:
                if number % max(1, count // 20) == 0:
                    memory.append(round(server.memory_mb, 1))
                tally[await _one(client, number % 40, prompts, expected, chance)] += 1

        await asyncio.gather(*(worker() for _ in range(streams)))
    seconds = time.perf_counter() - started
    memory.append(round(server.memory_mb, 1))
    return {"requests": count, "streams": streams, "seconds": round(seconds, 1),
            "outcomes": dict(sorted(tally.items())), "memory_mb": memory}  # fmt: skip


async def _one(
    client: httpx.AsyncClient,
    place: int,
    prompts: list[str],
    expected: dict[int, str],
    chance: random.Random,
) -> str:
    """Send one request; return what became of it."""
    drawn = chance.random()
    if drawn < MALFORMED:
        path, body = chance.choice(BAD)
        response = await client.post(path, content=body)
        return "refused" if response.status_code in (400, 404) else "wrongly answered"
    asked = {
        "model": "generate", "prompt": prompts[place], "max_tokens": 4 + place % 13,
        "temperature": 0 if place % 2 else 0.9, "seed": place, "stream": True,
    }  # fmt: skip
    text, ended = "", False
    async with client.stream("POST", "/v1/completions", json=asked) as response:
        if response.status_code == 429:
            return "sent away"
        if response.status_code != 200:
            return "lost"
        async for line in response.aiter_lines():
            if line == "data: [DONE]":
                ended = True
            elif line.startswith("data: "):
                text += json.loads(line[6:])["choices"][0]["text"]
                if drawn < MALFORMED + LEAVING:
                    return "left"
    if not ended:
        return "lost"
    return "right" if text == expected[place] else "wrong"


def _page(tally: dict[str, Any]) -> str:
    outcomes = [[name, count] for name, count in tally["outcomes"].items()]
    first, last = tally["memory_mb"][1], tally["memory_mb"][-1]
    lines = [
        "# A server under many requests",
        "",
        f"{tally['requests']} requests in {tally['streams']} streams at once, over a decoder of a "
        "few nodes, greedy and sampled with a seed; one in ten clients leaves in the middle, one "
        "in twenty sends what is no request. Each whole answer is compared with the one of "
        "`pipeline.load` offline.",
        "",
        *table(["outcome", "requests"], outcomes),
        "",
        f"{tally['seconds']} s. Resident memory {first} MB after a twentieth of them, {last} MB at "
        "the end. The server ended on SIGTERM with exit code 0 and no traceback.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
