"""ONNX Runtime on CPU or CUDA, under the session settings written beside the graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import ml_dtypes
import numpy as np
import onnxruntime as ort

from pipeline.errors import BadModelError, EnvironmentMissingError, first_line
from pipeline.onnx_bytes import size_with_data
from pipeline.ort.binding import Bound
from pipeline.ort.huge_pages import give_back, huge_pages
from pipeline.ort.known_crashes import crashing_rewrites
from pipeline.ort.settings import SessionSettings, read_settings
from pipeline.ort.values import to_array, to_value
from pipeline.stages.runners.kv_cache import KvCache
from pipeline.stages.runners.ort_cache import FixedCache, GrowingCache, named, run_failed

Device = Literal["cpu", "cuda"]
Level = Literal["all", "none"]

PROVIDERS: dict[str, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
FLOATS: dict[str, np.dtype] = {
    "tensor(double)": np.dtype(np.float64),
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(bfloat16)": np.dtype(ml_dtypes.bfloat16),
}
_NEWER = (
    "If it was optimized beside another ONNX Runtime than {}, run `pipeline optimize` again with "
    "this one: it proves each operator where it will run."
)
LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


@dataclass(frozen=True)
class OrtOptions:
    """How a session is opened.

    Attributes:
        device: Where it must run; nothing falls back.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        level: The runtime's own graph rewriting.
        settings: None reads the file beside the graph.
        save_optimized: Where to write the graph after the runtime's own rewriting.
        check_assignment: Record which provider took each node, for `describe`.
        profile: Prefix of the file the runtime writes its times per node to.
        huge_pages: Whether weights on the CPU may lie in huge pages; for many small steps.
    """

    device: Device = "cpu"
    threads: int = 0
    level: Level = "all"
    settings: SessionSettings | None = None
    save_optimized: Path | None = None
    check_assignment: bool = True
    profile: Path | None = None
    huge_pages: bool = False


class OrtRunner:
    """Runs one ONNX file in ONNX Runtime.

    Raises:
        EnvironmentMissingError: the provider asked for did not load.
        BadModelError: the runtime refuses the model.
    """

    def __init__(self, path: Path, options: OrtOptions | None = None) -> None:
        self.path = path
        self.options = options or OrtOptions()
        self.settings = self.options.settings or read_settings(path)
        self._session: Any = _open(path, self.options, self.settings)
        self._inputs = {value.name: value for value in self._session.get_inputs()}
        self._outputs = tuple(value.name for value in self._session.get_outputs())
        _refuse_unknown(self.settings.in_place, self._inputs, self._outputs, path)
        self._plain = all(
            "bfloat16" not in value.type
            for value in (*self._session.get_inputs(), *self._session.get_outputs())
        )

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the graph's inputs in order."""
        return tuple(self._inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the graph's outputs in order."""
        return self._outputs

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output; inputs the graph does not have are ignored.

        Raises:
            UsageError: an input is missing.
            BadModelError: the runtime fails on these inputs.
        """
        given = self._select(feeds)
        try:
            if self.settings.in_place:
                bound = self._bound(given, "cpu")
                bound.run()
                return bound.arrays()
            if self._plain:
                values = self._session.run(None, given)
                return dict(zip(self._outputs, values, strict=True))
            inputs = {name: to_value(array) for name, array in given.items()}
            answers = self._session.run_with_ort_values(None, inputs)
        except Exception as err:
            raise run_failed(err, self.path) from err
        return {n: to_array(v) for n, v in zip(self._outputs, answers, strict=True)}

    def open_cache(
        self, start: Mapping[str, np.ndarray], fixed: Mapping[str, np.ndarray], in_place: bool
    ) -> KvCache:
        """Return a cache that stays in the runtime; see `kv_cache.open_cache`."""
        kind = FixedCache if in_place else GrowingCache
        given = dict(start), dict(fixed)
        return kind(self._session, self._typed, self.options.device, self.path, *given)

    def prepare(self, feeds: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Return a call that runs on these inputs, already bound to the device, and waits."""
        return self._bound(self._select(feeds), self.options.device).run

    def describe(self) -> dict[str, str]:
        """Return the runtime, its version, the provider that loaded and what it was told."""
        loaded = self._session.get_providers()
        told = [f"no {name}" for name in self.settings.disabled_optimizers]
        told += ["denormals flushed"] if self.settings.flush_denormals else []
        told += ["caches written in place"] if self.settings.in_place else []
        text = {
            "runtime": "onnxruntime",
            "version": str(ort.__version__),
            "provider": str(loaded[0]),
            "threads": str(self.options.threads or "default"),
            "own optimizer": "on" if self.options.level == "all" else "off",
            "settings": ", ".join(told) or "none",
        }
        counts = self._assignment()
        if counts and set(counts) != {loaded[0]}:
            text["nodes"] = ", ".join(f"{name}: {n}" for name, n in sorted(counts.items()))
        return text

    def end_profile(self) -> str:
        """Stop profiling and return the path of the file written."""
        return str(self._session.end_profiling())

    def close(self) -> None:
        """Release the session."""
        self._session = None
        if self.options.huge_pages:
            give_back()

    def __enter__(self) -> OrtRunner:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the runner."""
        self.close()

    def _bound(self, given: Mapping[str, np.ndarray], device: str) -> Bound:
        return Bound(self._session, given, self._outputs, device, self.settings.in_place)

    def _select(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = named(tuple(self._inputs), feeds, self.path)
        return {name: self._typed(name, feeds[name]) for name in names}

    def _typed(self, name: str, array: np.ndarray) -> np.ndarray:
        """Return the array in the graph's floating type, as a module converts its inputs."""
        kind = FLOATS.get(self._inputs[name].type)
        if kind is not None and array.dtype in FLOATS.values():
            array = array.astype(kind, copy=False)
        return np.ascontiguousarray(array)

    def _assignment(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        if self.options.check_assignment:
            for part in self._session.get_provider_graph_assignment_info():
                counts[part.ep_name] = counts.get(part.ep_name, 0) + len(part.get_nodes())
        return counts


def _open(path: Path, options: OrtOptions, settings: SessionSettings) -> Any:
    provider = PROVIDERS[options.device]
    if provider not in ort.get_available_providers():
        raise EnvironmentMissingError(
            f"ONNX Runtime {ort.__version__} has no {provider} here.",
            where=str(path),
            fix="Install onnxruntime-gpu (extra `gpu`), or choose the CPU.",
        )
    providers = [provider] if options.device == "cpu" else [provider, PROVIDERS["cpu"]]
    asked = options.huge_pages and options.device == "cpu"
    try:
        with huge_pages(size_with_data(path)) if asked else nullcontext():
            session = ort.InferenceSession(
                path,
                _session_options(options, settings),
                providers=providers,
                disabled_optimizers=[*settings.disabled_optimizers, *crashing_rewrites(path)],
                enable_fallback=False,
            )
    except Exception as err:
        raise BadModelError(
            f"ONNX Runtime refuses the model: {first_line(err)}",
            where=str(path),
            fix=_NEWER.format(ort.__version__) if "com.microsoft" in str(err) else "",
        ) from err
    if session.get_providers()[0] != provider:
        raise EnvironmentMissingError(
            f"{provider} did not load; the session has {', '.join(session.get_providers())}.",
            where=str(path),
            fix="Check the driver, CUDA and cuDNN with `pipeline doctor`.",
        )
    return session


def _refuse_unknown(
    pairs: Mapping[str, str], inputs: Collection[str], outputs: Collection[str], path: Path
) -> None:
    for output, name in pairs.items():
        if output not in outputs or name not in inputs:
            raise BadModelError(
                f"The session settings write {output!r} into {name!r}: the graph lacks one.",
                where=str(path),
                fix="Run `pipeline optimize` again with this version.",
            )


def _session_options(options: OrtOptions, settings: SessionSettings) -> ort.SessionOptions:
    made = ort.SessionOptions()
    made.log_severity_level = 4  # what it would print is in the exception as well
    made.intra_op_num_threads = options.threads
    made.graph_optimization_level = LEVELS[options.level]
    if options.check_assignment:
        made.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if settings.flush_denormals:
        made.add_session_config_entry("session.set_denormal_as_zero", "1")
    if options.profile is not None:
        made.enable_profiling = True
        made.profile_file_prefix = str(options.profile)
    if options.save_optimized is not None:
        made.optimized_model_filepath = str(options.save_optimized)
    return made
