"""What the server can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.options import settle
from pipeline.types import Precision, RunnerName

HIGHEST_PORT = 65535


@dataclass(frozen=True)
class ServeOptions:
    """What is served, and how much of it at once.

    Attributes:
        folders: Artifact folders, each a model of its folder's name.
        runner: `ort` runs the optimized graphs (the exported ones where there are none), `torch`
            the PyTorch model, `tensorrt` the engines.
        host: Address to listen at; the default is reached from this machine alone.
        port: Port to listen at, 0 for a free one.
        api_key: What a client has to send as its key; empty takes any. The environment's
            PIPELINE_API_KEY does the same, and does not show in a list of processes.
        max_batch: Most answers that are decoded together, and texts that an encoder reads at once.
        max_queue: Most requests that wait for their turn, per model; one more is sent away (429).
        max_new_tokens: Most tokens per answer, whatever a client asks for.
        max_body_bytes: Largest request.
        prompt_cache_mb: Memory per model for the caches of texts read before: a prompt that begins
            like one of them is read from there. 0 keeps none.
        drain_seconds: On SIGTERM, how long running answers may take to end.
        precision: Which of the optimized graphs or engines; unset takes those made last.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        huge_pages: Ask for huge pages for the weights on the CPU, where the system has any: faster
            tokens, and on some virtual machines slower loading.

    Examples:
        >>> from pipeline import ServeOptions
        >>> ServeOptions(("chat", "embedder"), port=9000).host
        '127.0.0.1'
    """

    folders: tuple[Path, ...]
    runner: RunnerName = "ort"
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str = ""
    max_batch: int = 8
    max_queue: int = 64
    max_new_tokens: int = 4096
    max_body_bytes: int = 4_000_000
    prompt_cache_mb: int = 256
    drain_seconds: int = 30
    precision: Precision | None = None
    threads: int = 0
    huge_pages: bool = True

    def __post_init__(self) -> None:
        """Raise UsageError for a value outside its range, or two folders of one name."""
        settle(self)
        if not self.folders:
            raise UsageError("no folder was given", fix="pipeline serve DIR...")
        for name, least in (
            ("max_batch", 1), ("max_queue", 1), ("max_new_tokens", 1), ("max_body_bytes", 1),
            ("prompt_cache_mb", 0), ("drain_seconds", 0), ("port", 0), ("threads", 0),
        ):  # fmt: skip
            if getattr(self, name) < least:
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag} {getattr(self, name)} is not at least {least}")
        if self.port > HIGHEST_PORT:
            raise UsageError(f"--port {self.port} is above {HIGHEST_PORT}")
        names = [folder.resolve().name for folder in self.folders]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(
                f"two folders are called {', '.join(twice)}, and a model has its folder's name",
                fix="rename one of them",
            )
