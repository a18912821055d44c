"""Tokens a second and the wait for the first, by the number of streams at once.

    python -m reports.serving.measure ARTIFACT [--rounds 3]

ARTIFACT is a decoder with a chat template, exported and optimized for ort-cpu. The client runs on
the same machine. Rounds of every number of streams are run in turns. Writes data.json, report.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from pathlib import Path
from typing import Any

import httpx

from pipeline.toolchain import machine
from reports.common import keep_raw, publish, table
from reports.serving.soak import Server

HERE = Path(__file__).resolve().parent
STREAMS, TOKENS = (1, 4, 8, 16), 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with Server([given.artifact], "--max-batch", str(max(STREAMS))) as server:
        asyncio.run(_streams(server.url, given.artifact.name, 1))
        for _ in range(given.rounds):
            rows += [asyncio.run(_streams(server.url, given.artifact.name, n)) for n in STREAMS]
            print(rows[-len(STREAMS) :], flush=True)
    keep_raw(HERE, rows)
    data = {"model": given.artifact.name, "tokens": TOKENS, "rounds": given.rounds,
            "machine": machine().cpu, "rows": [_summary(rows, n) for n in STREAMS]}  # fmt: skip
    publish(HERE, data, _page(data))


async def _streams(url: str, model: str, count: int) -> dict[str, Any]:
    """Return what several streams at once took."""
    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=url, timeout=300) as client:
        made = await asyncio.gather(*(_one(client, model, n) for n in range(count)))
    seconds = time.perf_counter() - started
    return {"streams": count, "tokens_per_s": sum(n for n, _ in made) / seconds,
            "first_s": [first for _, first in made]}  # fmt: skip


async def _one(client: httpx.AsyncClient, model: str, number: int) -> tuple[int, float]:
    """Return the tokens of one answer, and the wait for its first."""
    asked = {
        "model": model, "max_tokens": TOKENS, "temperature": 0, "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": f"Tell a story about {number} animals."}],
    }  # fmt: skip
    started, first, tokens = time.perf_counter(), 0.0, 0
    async with client.stream("POST", "/v1/chat/completions", json=asked) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            told = json.loads(line[6:])
            if not first and told["choices"] and told["choices"][0]["delta"].get("content"):
                first = time.perf_counter() - started
            tokens = (told.get("usage") or {}).get("completion_tokens", tokens)
    return tokens, first


def _summary(rows: list[dict[str, Any]], streams: int) -> dict[str, Any]:
    own = [row for row in rows if row["streams"] == streams]
    speeds = [row["tokens_per_s"] for row in own]
    first = sorted(wait for row in own for wait in row["first_s"])
    return {
        "streams": streams,
        "tokens_per_s": [round(value, 1) for value in (min(speeds), statistics.median(speeds),
                                                       max(speeds))],
        "first_token_ms": {f"p{share}": round(1e3 * first[min(len(first) - 1, len(first) * share
                                                               // 100)]) for share in (50, 95, 99)},
    }  # fmt: skip


def _page(data: dict[str, Any]) -> str:
    one = data["rows"][0]["tokens_per_s"][1]
    cells = [
        [row["streams"], "{} ({} to {})".format(*(row["tokens_per_s"][n] for n in (1, 0, 2))),
         f"{row['tokens_per_s'][1] / one:.2f}", *row["first_token_ms"].values()]
        for row in data["rows"]
    ]  # fmt: skip
    head = ["streams", "tokens/s: median (least to most)", "times one stream",
            "first token, ms: p50", "p95", "p99"]  # fmt: skip
    lines = [
        "# Serving a decoder",
        "",
        f"`pipeline serve` of {data['model']} in float32, answers of {data['tokens']} tokens, "
        f"greedy; the client runs on the same machine. {data['rounds']} rounds, the numbers of "
        "streams in turns. No other server was measured beside it.",
        "",
        *table(head, cells),
        "",
        f"{data['machine']}, 2 cores.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
