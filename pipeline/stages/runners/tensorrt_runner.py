"""Runs a TensorRT plan behind the shape every runner has.

Tensors can stay on the GPU between calls (`run_held`), as a KV cache must. No GPU, no driver
or other bindings than the plan's are refused with the reason in words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pipeline import tensorrt_api
from pipeline.errors import EnvironmentMissingError, UsageError
from pipeline.stages.runners.base import Closing
from pipeline.stages.runners.cuda_driver import Cuda, CudaError
from pipeline.stages.runners.kv_cache import KvCache, ResidentCache
from pipeline.stages.runners.tensorrt_engine import DeviceTensor, Engine
from pipeline.stages.runners.tensorrt_types import EngineError

_ELSEWHERE = "`pipeline pack DIR` makes a bundle that verifies the engine on a GPU machine"


class Held:
    """A value on the GPU; its memory goes back to the engine when nobody refers to it."""

    def __init__(self, runner: TensorrtRunner, tensor: DeviceTensor) -> None:
        self._runner, self.tensor = runner, tensor

    def numpy(self) -> np.ndarray:
        """Return the contents."""
        return self._runner.fetch(self.tensor)

    def __del__(self) -> None:
        """Give the memory back for the next value of that size."""
        self._runner.release(self.tensor)


class TensorrtRunner(Closing):
    """One plan, ready to run.

    Args:
        path: The plan.
        backend: `auto` tries what is installed, full TensorRT first where a GPU answers.
        cuda_graph: Replay repeated shapes as one captured graph.
        runtime_cache: Where TensorRT-RTX keeps kernels compiled for this GPU; a file named
            after the plan in the user's cache folder when None.
        cuda: Stands in for the GPU in tests.

    Raises:
        EnvironmentMissingError: No driver, no bindings, or a plan for another GPU or release.
    """

    def __init__(
        self,
        path: Path,
        *,
        backend: str = "auto",
        cuda_graph: bool = False,
        runtime_cache: Path | None = None,
        cuda: Any = None,
    ) -> None:
        self.path, self.cuda_graph = path, cuda_graph
        self.cuda = cuda if cuda is not None else _gpu(path)
        self.flavour = tensorrt_api.choose(backend)
        self._trt: ModuleType = tensorrt_api.load(self.flavour)
        cache = runtime_cache or _cache_file(path)
        self._open = False
        try:
            self._engine = Engine(path, self._trt, self.cuda, cuda_graph, cache)
        except EngineError as err:
            raise EnvironmentMissingError(
                str(err),
                where=str(path),
                fix=f"a plan runs on the GPUs and the {self.flavour} release it was built for; "
                "build it again with what is installed here",
            ) from err
        self._open = True

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the names `run` expects, in order."""
        return self._engine.inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the names `run` gives back, in order."""
        return self._engine.outputs

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output; floating inputs are converted to the engine's own type.

        Raises:
            UsageError: A missing input, or a shape no profile covers.
        """
        found = self.run_resident(feeds, ())
        return {n: t for n, t in found.items() if isinstance(t, np.ndarray)}

    def run_held(
        self,
        feeds: Mapping[str, np.ndarray | Held],
        kept: str,
        into: Mapping[str, Held] | None = None,
    ) -> dict[str, np.ndarray | Held]:
        """Return every output; those whose name starts with `kept` stay on the GPU.

        Args:
            feeds: Arrays, or values an earlier call kept.
            kept: Prefix of the outputs that are only fed again.
            into: Held values that outputs are written into, by output.

        Raises:
            UsageError: A missing input, or a shape no profile covers.
        """
        plain = {n: f.tensor if isinstance(f, Held) else f for n, f in feeds.items()}
        keep = {name for name in self.output_names if name.startswith(kept)}
        given = into or {}
        found = self.run_resident(plain, keep, {n: held.tensor for n, held in given.items()})
        return {
            n: given[n] if n in given else Held(self, t) if isinstance(t, DeviceTensor) else t
            for n, t in found.items()
        }

    def hold(self, array: np.ndarray) -> Held:
        """Return an array as a value on the GPU, floats in the engine's own type."""
        floats = [d for d in map(self._engine.dtypes.get, self.input_names) if d and d.kind in "fV"]
        fitted = array.astype(floats[0]) if floats and array.dtype.kind in "fV" else array
        return Held(self, self._engine.keep(fitted))

    def open_cache(
        self, start: Mapping[str, np.ndarray], fixed: Mapping[str, np.ndarray], in_place: bool
    ) -> KvCache:
        """Return a cache that stays on the GPU; see `kv_cache.open_cache`."""
        return ResidentCache(self, dict(start), dict(fixed), in_place)

    def prepare(self, feeds: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Return a call that runs on these inputs, already on the GPU, and waits."""
        fitted = {n: np.asarray(self._fitted(n, f)) for n, f in feeds.items()}
        try:
            return self._engine.prepare(fitted)
        except (EngineError, CudaError) as err:
            raise UsageError(str(err), where=str(self.path)) from err

    def run_resident(
        self,
        feeds: Mapping[str, np.ndarray | DeviceTensor],
        keep: Collection[str],
        into: Mapping[str, DeviceTensor] | None = None,
    ) -> dict[str, np.ndarray | DeviceTensor]:
        """Return every output, those in `keep` as tensors that stay on the GPU.

        Outputs named in `into` are written there, which may be the tensor of an input.

        Raises:
            UsageError: A missing input, or a shape no profile covers.
        """
        try:
            fitted = {n: self._fitted(n, f) for n, f in feeds.items()}
            return self._engine.run(fitted, keep, into)
        except (EngineError, CudaError) as err:
            raise UsageError(str(err), where=str(self.path)) from err

    def _fitted(self, name: str, feed: np.ndarray | DeviceTensor) -> np.ndarray | DeviceTensor:
        wanted = self._engine.dtypes.get(name)
        if isinstance(feed, DeviceTensor) or wanted is None or feed.dtype == wanted:
            return feed
        if feed.dtype.kind in "fV" and wanted.kind in "fV":
            return feed.astype(wanted)
        return feed

    def release(self, tensor: DeviceTensor) -> None:
        """Take back a kept output for reuse."""
        if self._open:
            self._engine.release(tensor)

    def fetch(self, kept: Held | DeviceTensor) -> np.ndarray:
        """Return a kept output's contents."""
        return self._engine.fetch(kept.tensor if isinstance(kept, Held) else kept)

    def describe(self) -> dict[str, str]:
        """Return what really runs."""
        gpu = tensorrt_api.find_gpu()
        floats = {str(d) for d in self._engine.dtypes.values() if d.kind in "fV"}
        return {
            "runtime": self.flavour,
            "version": str(self._trt.__version__),
            "device": gpu.name if gpu else "unknown",
            "driver": gpu.driver if gpu else "unknown",
            "precision": ", ".join(sorted(floats)) or "none",
            "cuda_graph": "on" if self.cuda_graph else "off",
        }

    def close(self) -> None:
        """Save compiled kernels and release the GPU's memory."""
        if self._open:
            self._open = False
            self._engine.close()


def _gpu(path: Path) -> Cuda:
    try:
        return Cuda()
    except CudaError as err:
        raise EnvironmentMissingError(
            f"an engine runs only on an NVIDIA GPU: {err}", where=str(path), fix=_ELSEWHERE
        ) from err


def _cache_file(path: Path) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pipeline" / "runtime" / f"{path.stem}.cache"
