"""Opening a session of ONNX Runtime, and running it: on the CPU or with CUDA, without fallback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError
from pipeline.onnx_bytes import size_with_data
from pipeline.ort.binding import Binding
from pipeline.ort.errors import RunFailedError, refused
from pipeline.ort.huge_pages import give_back, huge_pages
from pipeline.ort.known_crashes import crashing_rewrites
from pipeline.ort.settings import SessionSettings, read_settings
from pipeline.ort.values import bfloat16, fit, to_array, to_value

VERSION = str(ort.__version__)
Device = Literal["cpu", "cuda"]
Level = Literal["all", "none"]
Arrays = dict[str, np.ndarray]

PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
LEVELS: dict[Level, ort.GraphOptimizationLevel] = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_BFLOAT16 = "tensor(bfloat16)"


@dataclass(frozen=True)
class OrtOptions:
    """How a session is opened.

    Attributes:
        device: Where it must run; nothing falls back.
        threads: Threads inside one operator, 0 for the runtime's own choice.
        level: The runtime's own graph rewriting.
        settings: None reads the file beside the graph; a model given as bytes has none.
        save_optimized: Where to write the graph after the runtime's own rewriting.
        check_assignment: Record which provider took each node, for `assignment`.
        profile: Prefix of the file the runtime writes its times per node to.
        huge_pages: Whether weights on the CPU may lie in huge pages; for many small steps.
        lean: Least memory, for a few runs: weights stay mapped, nothing is packed or kept.
        weights_folder: Where the data files of a model given as bytes lie.
    """

    device: Device = "cpu"
    threads: int = 0
    level: Level = "all"
    settings: SessionSettings | None = None
    save_optimized: Path | None = None
    check_assignment: bool = True
    profile: Path | None = None
    huge_pages: bool = False
    lean: bool = False
    weights_folder: Path | None = None


class Session:
    """One model in ONNX Runtime.

    Args:
        model: Its file, or its bytes (ModelProto).
        options: How it is opened.

    Attributes:
        raw: The runtime's own session.
        settings: Those of the graph, as they were applied.
        where: The file, for errors; empty for bytes.
        input_types: Inputs in order, each with its type as the runtime writes it.
        output_names: Outputs in order.
        provider: The provider that loaded.

    Raises:
        EnvironmentMissingError: The provider asked for did not load, or a type needs a library.
        MissingKernelError: An operator has no kernel there.
        BadModelError: The runtime refuses the model, or the settings are of another graph.
    """

    def __init__(self, model: Path | bytes, options: OrtOptions | None = None) -> None:
        self.options = options or OrtOptions()
        self.where = str(model) if isinstance(model, Path) else ""
        self.settings = self.options.settings or _settings_beside(model)
        self.raw: Any = _opened(model, self.options, self.settings, self.where)
        self.provider = str(self.raw.get_providers()[0])
        self.input_types = {value.name: str(value.type) for value in self.raw.get_inputs()}
        self.output_names = tuple(value.name for value in self.raw.get_outputs())
        types = (*self.input_types.values(), *(value.type for value in self.raw.get_outputs()))
        self._plain = _BFLOAT16 not in types
        if not self._plain:
            bfloat16()
        self._refuse_unknown()

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the inputs in order."""
        return tuple(self.input_types)

    def fit(self, name: str, array: np.ndarray) -> np.ndarray:
        """Return an array in the floating type of an input."""
        return fit(array, self.input_types[name])

    def fitted(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Return what `run` takes: every input, in its floating type; other feeds are left out.

        Raises:
            UsageError: An input is missing.
        """
        names = self.input_names
        arrays = given(names, feeds, self.where)
        return {name: self.fit(name, array) for name, array in zip(names, arrays, strict=True)}

    def run(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Return every output; what is fed stays as it is, also where outputs are in place.

        Args:
            feeds: Exactly the inputs, in their types: nothing is converted.

        Raises:
            RunFailedError: The runtime fails on these inputs.
        """
        try:
            if self.settings.in_place:
                return self._run_in_place(feeds)
            if self._plain:
                values = self.raw.run(None, dict(feeds))
                return dict(zip(self.output_names, values, strict=True))
            inputs = {name: to_value(array) for name, array in feeds.items()}
            answers = self.raw.run_with_ort_values(None, inputs)
        except Exception as err:
            raise RunFailedError(err, self.where) from err
        return {n: to_array(v) for n, v in zip(self.output_names, answers, strict=True)}

    def prepare(self, feeds: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Return a call that runs on these inputs, already bound to the device, and waits."""
        return self._bound(feeds, self.options.device).run

    def assignment(self) -> dict[str, int]:
        """Return how many nodes each provider took; empty if that was not recorded."""
        counts: dict[str, int] = {}
        if self.options.check_assignment:
            for part in self.raw.get_provider_graph_assignment_info():
                counts[part.ep_name] = counts.get(part.ep_name, 0) + len(part.get_nodes())
        return counts

    def end_profile(self) -> str:
        """Stop profiling and return the path of the file written."""
        return str(self.raw.end_profiling())

    def close(self) -> None:
        """Release the session."""
        self.raw = None
        if self.options.huge_pages:
            give_back()

    def _run_in_place(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        binding = self._bound(feeds, "cpu")
        binding.run()
        shared = {out: binding.given(name) for out, name in self.settings.in_place.items()}
        made = binding.lent([name for name in self.output_names if name not in shared])
        return {name: (made | shared)[name] for name in self.output_names}

    def _bound(self, feeds: Mapping[str, np.ndarray], device: Device) -> Binding:
        """Bind the inputs, those that are written into as copies, and every output."""
        binding = Binding(self.raw, device, self.settings.in_place)
        shared = {*self.settings.in_place.values()}
        for name, array in feeds.items():
            (binding.give if name in shared else binding.bind)(name, array)
        new = [name for name in self.output_names if name not in self.settings.in_place]
        binding.make(new, device)
        return binding

    def _refuse_unknown(self) -> None:
        for output, name in self.settings.in_place.items():
            if output not in self.output_names or name not in self.input_types:
                raise BadModelError(
                    f"The session settings write {output!r} into {name!r}: the graph lacks one.",
                    where=self.where,
                    fix="Run `pipeline optimize` again with this version.",
                )


def given(names: Sequence[str], feeds: Mapping[str, np.ndarray], where: str) -> list[np.ndarray]:
    """Return the feeds of these inputs, in order.

    Raises:
        UsageError: An input is missing.
    """
    if missing := [name for name in names if name not in feeds]:
        raise UsageError(
            f"Inputs not given: {', '.join(missing)}.",
            where=where,
            fix=f"The graph expects {', '.join(names)}.",
        )
    return [feeds[name] for name in names]


def _settings_beside(model: Path | bytes) -> SessionSettings:
    return read_settings(model) if isinstance(model, Path) else SessionSettings()


def _opened(model: Path | bytes, options: OrtOptions, settings: SessionSettings, where: str) -> Any:
    provider = PROVIDERS[options.device]
    if provider not in ort.get_available_providers():
        raise EnvironmentMissingError(
            f"ONNX Runtime {VERSION} has no {provider} here.",
            where=where,
            fix="Install onnxruntime-gpu (extra `gpu`), or choose the CPU.",
        )
    crashing = crashing_rewrites(model) if isinstance(model, Path) else ()
    try:
        with _room_for(model, options):
            session = ort.InferenceSession(
                model,
                _session_options(options, settings),
                providers=[*dict.fromkeys((provider, PROVIDERS["cpu"]))],
                disabled_optimizers=[*dict.fromkeys((*settings.disabled_optimizers, *crashing))],
                enable_fallback=False,
            )
    except Exception as err:
        raise refused(err, where) from err
    if session.get_providers()[0] != provider:
        raise EnvironmentMissingError(
            f"{provider} did not load; the session has {', '.join(session.get_providers())}.",
            where=where,
            fix="Check the driver, CUDA and cuDNN with `pipeline doctor`.",
        )
    return session


def _room_for(model: Path | bytes, options: OrtOptions) -> Any:
    """Return what to open a session within: huge pages for its weights, where asked for."""
    if not options.huge_pages or options.device != "cpu" or isinstance(model, bytes):
        return nullcontext()
    return huge_pages(size_with_data(model))


def _session_options(options: OrtOptions, settings: SessionSettings) -> ort.SessionOptions:
    made = ort.SessionOptions()
    made.log_severity_level = 4  # what it would print is in the exception as well
    made.intra_op_num_threads = options.threads
    made.graph_optimization_level = LEVELS[options.level]
    if options.check_assignment:
        made.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if settings.denormals == "flush":
        made.add_session_config_entry("session.set_denormal_as_zero", "1")
    if options.lean:
        made.add_session_config_entry("session.disable_prepacking", "1")
        made.enable_cpu_mem_arena = False
        # Else every Cast of a float16 weight runs first and all of them lie in memory at once.
        made.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    if options.weights_folder is not None:
        key = "session.model_external_initializers_file_folder_path"
        made.add_session_config_entry(key, str(options.weights_folder))
    if options.profile is not None:
        made.enable_profiling = True
        made.profile_file_prefix = str(options.profile)
    if options.save_optimized is not None:
        made.optimized_model_filepath = str(options.save_optimized)
    return made
