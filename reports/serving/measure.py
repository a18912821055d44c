"""Tokens a second and the wait for the first, by the number of streams at once, of several servers.

    python -m reports.serving.measure ARTIFACT [--rounds 5] [--transformers PYTHON CHECKPOINT]
        [--genai PYTHON FOLDER] [--llama LLAMA_SERVER GGUF] [--weights int4]

ARTIFACT is a decoder with a chat template, exported and optimized for ort-cpu; the others are the
same weights in the same precision. All servers stay loaded and are asked in turns, in an order that
rotates; an idle one takes no processor time. The client runs on the same machine. Writes
data.json, report.md; with `--weights int4` int4.json, int4.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tokenizers import Tokenizer

from pipeline.toolchain import machine
from reports.common import keep_raw, publish, table
from reports.serving.peers import Running, add_options, chosen

HERE = Path(__file__).resolve().parent
STREAMS, TOKENS = (1, 4, 8, 16), 64
ABOUT = {
    "transformers serve": "transformers runs with `--continuous-batching`.",
    "onnxruntime-genai's engine": "onnxruntime-genai has an engine and no server: the smallest one "
    "that streams was put around it (genai_server.py), with static batches of 16, since its paged "
    "cache needs a GPU.",
    "llama.cpp server": "llama.cpp is built with native flags, one slot a stream, its cache in "
    "float32.",
}


@dataclass(frozen=True)
class Turn:
    """What several streams at once took of one server."""

    server: str
    streams: int
    round: int
    seconds: float
    first_s: list[float]
    texts: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weights", choices=("float32", "int4"), default="float32")
    add_options(parser)
    given = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(next(given.artifact.rglob("tokenizer.json"))))
    servers: list[Running] = []
    turns: list[Turn] = []
    try:
        for peer in chosen(given, max(STREAMS)):
            servers.append(peer.start())
            asyncio.run(_turn(servers[-1], 2, -1))
        for number in range(given.rounds):
            for streams in STREAMS:
                place = number % len(servers)
                for server in servers[place:] + servers[:place]:
                    turns.append(asyncio.run(_turn(server, streams, number)))
            print(f"round {number + 1} of {given.rounds}", flush=True)
    finally:
        for server in servers:
            server.stop()
    rows = [
        {"server": turn.server, "streams": turn.streams, "round": turn.round,
         "tokens_per_s": sum(map(len, tokenizer.encode_batch(turn.texts))) / turn.seconds,
         "first_s": turn.first_s, "texts": turn.texts}
        for turn in turns
    ]  # fmt: skip
    keep_raw(HERE, rows)
    names = [server.peer.name for server in servers]
    data = {
        "model": given.artifact.name, "weights": given.weights, "tokens": TOKENS,
        "rounds": given.rounds, "machine": machine().cpu,
        "rows": [_summary(rows, name, names[0], n) for n in STREAMS for name in names],
    }  # fmt: skip
    publish(HERE, data, _page(data), "report" if given.weights == "float32" else given.weights)


async def _turn(server: Running, streams: int, number: int) -> Turn:
    async with httpx.AsyncClient(base_url=server.url, timeout=600) as client:
        started = time.perf_counter()
        asked = (f"Tell a story about {n} animals on day {number}." for n in range(streams))
        made = await asyncio.gather(*(_one(client, server.peer.model, text) for text in asked))
        seconds = time.perf_counter() - started
    return Turn(server.peer.name, streams, number, seconds, [first for _, first in made],
                [text for text, _ in made])  # fmt: skip


async def _one(client: httpx.AsyncClient, model: str, prompt: str) -> tuple[str, float]:
    """Return one answer and the wait for its first text."""
    asked = {
        "model": model, "max_tokens": TOKENS, "temperature": 0, "stream": True,
        "messages": [{"role": "user", "content": prompt}],
    }  # fmt: skip
    started, first, text = time.perf_counter(), 0.0, ""
    async with client.stream("POST", "/v1/chat/completions", json=asked) as response:
        if not response.is_success:
            raise SystemExit(f"{client.base_url}: {(await response.aread())[:500]!r}")
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                told = json.loads(line[6:])
                for choice in told.get("choices", ()):
                    text += (choice.get("delta") or {}).get("content") or ""
                first = first or (time.perf_counter() - started if text else 0.0)
    return text, first


def _summary(rows: list[dict[str, Any]], name: str, ours: str, streams: int) -> dict[str, Any]:
    """Return speeds of one server, and how many times as fast ours was in the same rounds."""
    theirs = [row for row in rows if (row["streams"], row["server"]) == (streams, name)]
    own = [row for row in rows if (row["streams"], row["server"]) == (streams, ours)]
    ratios = sorted(a["tokens_per_s"] / b["tokens_per_s"] for a, b in zip(own, theirs, strict=True))
    speeds = [row["tokens_per_s"] for row in theirs]
    first = sorted(wait for row in theirs for wait in row["first_s"])
    same = [a == b for one, other in zip(own, theirs, strict=True)
            for a, b in zip(one["texts"], other["texts"], strict=True)]  # fmt: skip
    return {
        "streams": streams,
        "server": name,
        "tokens_per_s": [round(of(speeds), 1) for of in (min, statistics.median, max)],
        "ours_times": [round(of(ratios), 2) for of in (min, statistics.median, max)],
        "first_token_ms": {f"p{share}": round(1e3 * first[min(len(first) - 1, len(first) * share
                                                               // 100)]) for share in (50, 95, 99)},
        "same_answers": f"{sum(same)} of {len(same)}",
    }  # fmt: skip


def _page(data: dict[str, Any]) -> str:
    ours = data["rows"][0]["server"]
    one = {row["server"]: row["tokens_per_s"][1] for row in data["rows"] if row["streams"] == 1}
    cells = [
        [row["streams"], row["server"], _spread(row["tokens_per_s"]),
         f"{row['tokens_per_s'][1] / one[row['server']]:.2f}",
         "" if row["server"] == ours else _spread(row["ours_times"]),
         *row["first_token_ms"].values(), row["same_answers"]]
        for row in data["rows"]
    ]  # fmt: skip
    head = ["streams", "server", "tokens/s", "times one stream", "ours, times as fast",
            "first text, ms: p50", "p95", "p99", "same answer as ours"]  # fmt: skip
    lines = [
        "# Serving a decoder",
        "",
        f"{data['model']} in {data['weights']} on two threads, answers of up to {data['tokens']} "
        f"tokens, greedy; the client runs on the same machine. {data['rounds']} rounds; in "
        "each every server was asked in turn, in an order that rotates; prompts differ, their "
        "first half does not. Figures are the median (least to "
        "most); a ratio is of one round. Tokens are counted from the texts with one tokenizer.",
        "",
        *table(head, cells),
        "",
        " ".join(ABOUT[row["server"]] for row in data["rows"][1 : len(one)]),
        "",
        f"{data['machine']}, 2 cores.",
        "",
    ]
    return "\n".join(lines)


def _spread(figures: list[float]) -> str:
    least, median, most = figures
    return f"{median} ({least} to {most})"


if __name__ == "__main__":
    main()
