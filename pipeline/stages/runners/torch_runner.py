"""A PyTorch module behind the runner shape, in a chosen precision, eager or compiled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError
from pipeline.stages.runners.base import Closing
from pipeline.stages.runners.kv_cache import KvCache, ResidentCache

TorchDtype = Literal["float64", "float32", "float16", "bfloat16"]
DTYPES: dict[str, torch.dtype] = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


@dataclass(frozen=True)
class TorchOptions:
    """How a module is run.

    Attributes:
        dtype: Floating type of the weights and of the floating inputs.
        device: "cpu" or "cuda".
        threads: Threads inside one operator, 0 for torch's own choice. It holds for the process.
        compiled: Whether torch.compile runs it.
    """

    dtype: TorchDtype = "float32"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 0
    compiled: bool = False


class TorchRunner(Closing):
    """Runs a module whose positional arguments and flattened results carry the graph's names.

    Args:
        module: Converted in place to the precision and device asked for; give a copy to keep it.
        inputs: Names of its positional arguments, in order.
        outputs: Names of the tensors it returns, in order, however they are nested.
        options: Precision, device, threads.

    Raises:
        EnvironmentMissingError: CUDA is asked for and absent.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        options: TorchOptions | None = None,
    ) -> None:
        self.options = options or TorchOptions()
        if self.options.device == "cuda" and not torch.cuda.is_available():
            raise EnvironmentMissingError(
                "PyTorch sees no CUDA device here.",
                fix="Run on the CPU, or check `pipeline doctor`.",
            )
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        self._dtype = DTYPES[self.options.dtype]
        self._module: Any = module.eval().to(device=self.options.device, dtype=self._dtype)
        self._call: Any = torch.compile(self._module) if self.options.compiled else self._module
        self._inputs, self._outputs = inputs, outputs

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the names of the arguments."""
        return self._inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return the names of the results."""
        return self._outputs

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every result for these inputs.

        Raises:
            UsageError: an input is missing.
            BadModelError: the module gives another number of tensors than it has names for.
        """
        with torch.inference_mode(), self._mode():
            found = self._flat(self._call(*self._tensors(feeds)))
        return {name: to_array(value) for name, value in zip(self._outputs, found, strict=True)}

    def run_held(
        self,
        feeds: Mapping[str, np.ndarray | torch.Tensor],
        kept: str,
        into: Mapping[str, torch.Tensor] | None = None,
    ) -> dict[str, np.ndarray | torch.Tensor]:
        """Return every result; those whose name starts with `kept` stay tensors on the device.

        Args:
            feeds: Arrays, or tensors an earlier call kept.
            kept: Prefix of the results that are only fed again.
            into: Unused: a module returns tensors of its own.
        """
        with torch.inference_mode(), self._mode():
            found = self._flat(self._call(*self._tensors(feeds)))
        named = zip(self._outputs, found, strict=True)
        return {name: t if name.startswith(kept) else to_array(t) for name, t in named}

    def hold(self, array: np.ndarray) -> torch.Tensor:
        """Return an array as a tensor on the device, in the module's own precision."""
        return self._place(to_tensor(array))

    def fetch(self, tensor: torch.Tensor) -> np.ndarray:
        """Return a kept tensor's contents."""
        return to_array(tensor)

    def open_cache(
        self, start: Mapping[str, np.ndarray], fixed: Mapping[str, np.ndarray], in_place: bool
    ) -> KvCache:
        """Return a cache of tensors that stay on the device; see `kv_cache.open_cache`."""
        return ResidentCache(self, dict(start), dict(fixed), in_place)

    def prepare(self, feeds: Mapping[str, np.ndarray]) -> Callable[[], None]:
        """Return a call that runs on these inputs, already on the device, and waits."""
        tensors = self._tensors(feeds)
        wait = torch.cuda.synchronize if self.options.device == "cuda" else None

        def call() -> None:
            with torch.inference_mode():
                self._call(*tensors)
            if wait is not None:
                wait()

        return call

    def describe(self) -> dict[str, str]:
        """Return the version, device, precision and threads."""
        return {
            "runtime": "torch.compile" if self.options.compiled else "torch",
            "version": str(torch.__version__),
            "device": self.options.device,
            "precision": self.options.dtype,
            "threads": str(torch.get_num_threads()),
        }

    def close(self) -> None:
        """Release the module."""
        self._module = self._call = None

    def _tensors(self, feeds: Mapping[str, np.ndarray | torch.Tensor]) -> list[torch.Tensor]:
        missing = [name for name in self._inputs if name not in feeds]
        if missing:
            raise UsageError(
                f"Inputs not given: {', '.join(missing)}.",
                where=type(self._module).__name__,
                fix=f"The module expects {', '.join(self._inputs)}.",
            )
        given = (feeds[name] for name in self._inputs)
        return [x if isinstance(x, torch.Tensor) else self._place(to_tensor(x)) for x in given]

    def _mode(self) -> contextlib.AbstractContextManager[Any]:
        return Widen() if self._dtype == torch.float64 else contextlib.nullcontext()

    def _place(self, value: torch.Tensor) -> torch.Tensor:
        dtype = self._dtype if value.is_floating_point() else value.dtype
        return value.to(device=self.options.device, dtype=dtype)

    def _flat(self, result: Any) -> list[torch.Tensor]:
        leaves = torch.utils._pytree.tree_leaves(result)
        found = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if len(found) != len(self._outputs):
            raise BadModelError(
                f"The module returned {len(found)} tensors, {len(self._outputs)} were expected: "
                f"{', '.join(self._outputs)}.",
                where=type(self._module).__name__,
                fix="Export the model again; the module behind it has changed.",
            )
        return found


class Widen(TorchFunctionMode):
    """Lets code that asks for float32 by name have float64.

    Models do their norms, softmaxes and rotary angles "in float32 for precision"; in a float64
    reference that would be the one imprecise step.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Return the function's result with every float32 asked for replaced."""
        wide = {torch.float32: torch.float64}
        swapped = [wide.get(a, a) if isinstance(a, torch.dtype) else a for a in args]
        named = {
            name: wide.get(value, value) if isinstance(value, torch.dtype) else value
            for name, value in (kwargs or {}).items()
        }
        called: Any = torch.Tensor.double if func is torch.Tensor.float else func
        return called(*swapped, **named)


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """Return the array as a tensor of its own memory, bfloat16 kept."""
    if array.dtype == ml_dtypes.bfloat16:
        raw = np.ascontiguousarray(array).view(np.int16)
        return torch.from_numpy(raw.copy()).view(torch.bfloat16)
    return torch.from_numpy(np.ascontiguousarray(array).copy())


def to_array(value: torch.Tensor) -> np.ndarray:
    """Return the tensor as an array on the host, bfloat16 kept."""
    value = value.detach().cpu().contiguous()
    if value.dtype == torch.bfloat16:
        bits: np.ndarray = value.view(torch.int16).numpy()
        return bits.view(ml_dtypes.bfloat16)
    array: np.ndarray = value.numpy()
    return array
