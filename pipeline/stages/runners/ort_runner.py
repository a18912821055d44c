"""ONNX Runtime on CPU or CUDA, under the session settings written beside the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pipeline.ort.caches import FixedCache, GrowingCache
from pipeline.ort.session import VERSION, OrtOptions, Session
from pipeline.stages.runners.base import Closing
from pipeline.stages.runners.kv_cache import KvCache, present_of


class OrtRunner(Closing):
    """Runs one ONNX file in ONNX Runtime.

    Args:
        path: The file.
        options: How its session is opened.

    Raises:
        EnvironmentMissingError: The provider asked for did not load.
        BadModelError: The runtime refuses the model.
    """

    def __init__(self, path: Path, options: OrtOptions | None = None) -> None:
        self.path = path
        self._session = Session(path, options)
        self.options, self.settings = self._session.options, self._session.settings

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the graph's inputs in order."""
        return self._session.input_names

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the graph's outputs in order."""
        return self._session.output_names

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output; inputs the graph does not have are ignored.

        Floats are converted to the graph's floating types; integers and booleans have to fit.

        Raises:
            UsageError: An input is missing.
            BadModelError: The runtime fails on these inputs.
        """
        return self._session.run(self._session.fitted(feeds))

    def open_cache(
        self, start: Mapping[str, np.ndarray], fixed: Mapping[str, np.ndarray], in_place: bool
    ) -> KvCache:
        """Return a cache that stays in the runtime; see `kv_cache.open_cache`."""
        kind = FixedCache if in_place else GrowingCache
        presents = {name: present_of(name) for name in start}
        return kind(self._session, dict(start), dict(fixed), presents)

    def prepare(self, feeds: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Return a call that runs on these inputs, already bound to the device, and waits."""
        return self._session.prepare(self._session.fitted(feeds))

    def describe(self) -> dict[str, str]:
        """Return the runtime, its version, the provider that loaded and what it was told."""
        loaded = self._session.provider
        told = [f"no {name}" for name in self.settings.disabled_optimizers]
        told += ["denormals flushed"] if self.settings.denormals == "flush" else []
        told += ["caches written in place"] if self.settings.in_place else []
        text = {
            "runtime": "onnxruntime",
            "version": VERSION,
            "provider": loaded,
            "threads": str(self.options.threads or "default"),
            "own optimizer": "on" if self.options.level == "all" else "off",
            "settings": ", ".join(told) or "none",
        }
        counts = self._session.assignment()
        if counts and set(counts) != {loaded}:
            text["nodes"] = ", ".join(f"{name}: {n}" for name, n in sorted(counts.items()))
        return text

    def end_profile(self) -> str:
        """Stop profiling and return the path of the file written."""
        return self._session.end_profile()

    def close(self) -> None:
        """Release the session."""
        self._session.close()
