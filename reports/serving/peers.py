"""The servers that measure.py asks: ours and three others, each a process of its own."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

HERE = Path(__file__).resolve().parent
THREADS = 2
WAIT_S = 180


@dataclass
class Peer:
    """A server of one model that speaks OpenAI's chat completions."""

    name: str
    command: list[str]
    model: str = "model"
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> Running:
        """Start it and wait until it answers; SystemExit when it does not."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [word.replace("PORT", str(port)) for word in self.command]
        process = subprocess.Popen(
            command, env={**os.environ, "HF_HUB_OFFLINE": "1", **self.environment},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{url}/health", timeout=2).is_success:
                    return Running(self, url, process)
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        process.kill()
        raise SystemExit(f"{self.name} did not answer: {' '.join(command)}")


@dataclass
class Running:
    """A server that answers at a URL."""

    peer: Peer
    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add an option per peer; one that is not given is not measured."""
    parser.add_argument("--transformers", nargs=2, metavar=("PYTHON", "CHECKPOINT"))
    parser.add_argument("--genai", nargs=2, metavar=("PYTHON", "FOLDER"))
    parser.add_argument("--llama", nargs=2, metavar=("LLAMA_SERVER", "GGUF"))


def chosen(given: argparse.Namespace, most: int) -> list[Peer]:
    """Return ours first, then the peers that were named, each for up to `most` streams at once."""
    own = [sys.executable, "-m", "pipeline", "serve", str(given.artifact), "--port", "PORT",
           "--max-batch", str(most)]  # fmt: skip
    found = [Peer("pipeline serve", own, given.artifact.name)]
    threads = {"OMP_NUM_THREADS": str(THREADS)}
    if given.transformers:
        python, checkpoint = given.transformers
        command = [str(Path(python).parent / "transformers"), "serve", checkpoint, "--port", "PORT",
                   "--continuous-batching", "--device", "cpu", "--dtype", "float32"]  # fmt: skip
        found.append(Peer("transformers serve", command, checkpoint, threads))
    if given.genai:
        python, folder = given.genai
        command = [python, str(HERE / "genai_server.py"), folder, "PORT"]
        found.append(Peer("onnxruntime-genai's engine", command))
    if given.llama:
        server, file = given.llama
        command = [server, "-m", file, "--port", "PORT", "-t", str(THREADS), "-tb", str(THREADS),
                   "-np", str(most), "-c", str(512 * most), "--no-webui", "-fa", "on",
                   "-ctk", "f32", "-ctv", "f32"]  # fmt: skip
        found.append(Peer("llama.cpp server", command))
    return found
