"""The shape every runner has, and the end of a `with` block, which is the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import numpy as np


class Runner(Protocol):
    """Executes one model; inputs and outputs are host arrays keyed by name."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the names `run` expects, in order."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the names `run` gives back, in order."""

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output for these inputs."""

    def describe(self) -> dict[str, str]:
        """Return what really runs: runtime, version, provider or device, threads, precision."""

    def close(self) -> None:
        """Release the model's memory."""

    def __enter__(self) -> Runner:
        """Return itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the runner."""


class Closing:
    """Something that a `with` block closes."""

    def close(self) -> None:
        """Release what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
