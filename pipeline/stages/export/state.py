"""The state of a function's model, kept with its artifact and put back into what it returns later.

A function may draw its weights. What was exported is the model, so whoever needs the PyTorch
module again (parity, perf, a text command) calls the function, under the same seed, and gives the
module the state it had: every parameter and buffer, those left out of a state_dict as well, and
the example inputs. A sample of the outputs is kept too: code, or a value outside the state, may
have changed since, and only the outputs show that.

A tensor that lies in the data file of the graphs, perhaps transposed, is not stored a second
time; the state file says where it lies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import ChangedModelError
from pipeline.stages.export.exporters import plain_kernels
from pipeline.stages.export.parts import ExportPart
from pipeline.stages.export.prove import difference, to_numpy, tolerance
from pipeline.stages.export.weights_file import Placed
from pipeline.types import Json

SAMPLE = 4096  # values of each output that are kept, evenly spread
INDEX = "state"  # the one metadata key, so that equal states are equal files
_NATIVE = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool, torch.uint8,
    torch.int8, torch.int16, torch.int32, torch.int64,
}  # fmt: skip


def save_state(part: ExportPart, placed: Sequence[Placed], file: Path) -> None:
    """Write the state of the part's module, its example inputs and a sample of its outputs.

    Args:
        part: The user's module lies at its `prefix`.
        placed: Tensors that lie in the data file of the graphs.
        file: A .safetensors file in an existing folder.
    """
    index, own = _state(part, placed)
    outputs = dict(zip(part.outputs, _outputs(part), strict=True))
    own |= {f"input.{name}": _storable(tensor) for name, tensor in part.inputs.items()}
    own |= {f"output.{name}": _storable(_sample(tensor)) for name, tensor in outputs.items()}
    content = {
        "tensors": index,
        "inputs": _all_described(part.inputs),
        "outputs": _all_described(outputs),
    }
    file.touch()
    mode = file.stat().st_mode
    save_file(own, file, {INDEX: json.dumps(content)})
    file.chmod(mode)  # safetensors makes files that their owner alone can read


def restore_state(part: ExportPart, file: Path, data: Path | None, where: str) -> ExportPart:
    """Return the part as it was exported: its module holds the state in `file` from now on.

    Tensors that are right already are left alone, so a model whose weights are mapped from a
    checkpoint stays mapped; of the others one is in memory at a time.

    Args:
        part: What the function returned now, in the type it was exported in.
        file: What `save_state` wrote.
        data: The data file of the graphs, None where they have none.
        where: The function, for errors.

    Raises:
        ChangedModelError: The function returns another model now; says what differs.
    """
    with safe_open(file, "pt") as stored:
        index = json.loads(stored.metadata()[INDEX])
        now = _tensors(part)
        _require_same(index["tensors"], _all_described(now), "state", where)
        given = _of_any_size(_all_described(part.inputs))
        _require_same(_of_any_size(index["inputs"]), given, "example input", where)
        for name, about in index["tensors"].items():
            key = about.get("same", name)
            raw = _mapped(data, about) if "offset" in about else stored.get_tensor(f"state.{key}")
            _put(now[name], _typed(raw, about))
        inputs = {
            name: _typed(stored.get_tensor(f"input.{name}"), about).to(part.inputs[name].device)
            for name, about in index["inputs"].items()
        }
        samples = {name: stored.get_tensor(f"output.{name}") for name in index["outputs"]}
    part = replace(part, inputs={name: inputs[name] for name in part.inputs})
    _require_same_outputs(part, index["outputs"], samples, where)
    return part


def _tensors(part: ExportPart) -> dict[str, Tensor]:
    """Return every parameter and buffer of the user's module by path, those of plain storage."""
    module: nn.Module = part.module.get_submodule(part.prefix)
    named: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    named |= dict(module.named_buffers(remove_duplicate=False))
    return {
        name: tensor
        for name, tensor in named.items()
        if type(tensor) in (Tensor, nn.Parameter)
        and tensor.layout is torch.strided
        and not tensor.is_quantized
    }


def _state(
    part: ExportPart, placed: Sequence[Placed]
) -> tuple[dict[str, dict[str, Json]], dict[str, Tensor]]:
    """Return what the index says of each tensor of the state, and those to be stored."""
    places: dict[int, list[Placed]] = {}
    for item in placed:
        places.setdefault(item.tensor.data_ptr(), []).append(item)
    index: dict[str, dict[str, Json]] = {}
    own: dict[str, Tensor] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for name, tensor in _tensors(part).items():
        memory = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        found = _in_data_file(tensor, places.get(tensor.data_ptr(), ()))
        if found is None and tensor.numel() and memory in seen:
            found = {"same": seen[memory]}
        index[name] = _described(tensor) | (found or {})
        if found is None:
            seen[memory] = name
            own[f"state.{name}"] = _storable(tensor)
    return index, own


def _in_data_file(tensor: Tensor, places: Iterable[Placed]) -> dict[str, Json] | None:
    """Return where the tensor lies in the data file and how its axes stand there, if it does."""
    for place in places:
        stored = place.tensor
        left = list(zip(stored.shape, stored.stride(), strict=True))
        axes: list[Json] = []
        for entry in zip(tensor.shape, tensor.stride(), strict=True):
            if entry in left:
                axes.append(left.index(entry))
                left[left.index(entry)] = (-1, -1)  # each axis once
        if len(axes) == tensor.dim() == stored.dim() and tensor.dtype == stored.dtype:
            return {"offset": place.offset, "axes": axes}
    return None


def _mapped(data: Path | None, about: Mapping[str, Any]) -> Tensor:
    """Return a tensor of the data file, mapped; writing to it would not reach the file."""
    assert data is not None
    axes, shape = about["axes"], about["shape"]
    dtype: torch.dtype = getattr(torch, about["dtype"])
    stored = [shape[axes.index(axis)] for axis in range(len(axes))]
    count = int(np.prod(stored, dtype=np.int64)) * dtype.itemsize
    raw = torch.from_numpy(np.memmap(data, np.uint8, "c", about["offset"], (count,)))
    return raw.view(dtype).reshape(stored).permute(axes)


def _put(tensor: Tensor, stored: Tensor) -> None:
    """Give a tensor the stored values, in place, so that what shares its memory has them too."""
    if torch.equal(tensor.detach().cpu(), stored):
        return
    with torch.inference_mode():
        for axis, (size, step) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
            if size > 1 and step == 0:  # expanded: one place in memory for the whole axis
                tensor, stored = tensor.narrow(axis, 0, 1), stored.narrow(axis, 0, 1)
        tensor.copy_(stored)


def _require_same(stored: Mapping[str, Any], now: Mapping[str, Any], kind: str, where: str) -> None:
    """Raise ChangedModelError where names, types or shapes are not what they were."""
    differing = [f"{name} is missing" for name in stored if name not in now]
    differing += [f"{name} is new" for name in now if name not in stored]
    differing += [
        f"{name} is {_shown(now[name])}, it was {_shown(stored[name])}"
        for name in stored
        if name in now and _shown(now[name]) != _shown(stored[name])
    ]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise _changed(f"{kind} {', '.join(differing[:3])}{more}", where)


def _require_same_outputs(
    part: ExportPart, about: Mapping[str, Any], samples: Mapping[str, Tensor], where: str
) -> None:
    """Raise ChangedModelError where the module, given its state, computes something else."""
    now = dict(zip(part.outputs, _outputs(part), strict=True))
    _require_same(about, _all_described(now), "output", where)
    for name, tensor in now.items():
        off = difference(to_numpy(_sample(tensor)), _typed(samples[name], about[name], flat=True))
        if not off <= tolerance(tensor.dtype):
            raise _changed(
                f"with the same state and inputs, {name} is off by {off:.2g} of its largest value "
                "(its code, or a value that is no parameter or buffer, is another)",
                where,
            )


def _changed(how: str, where: str) -> ChangedModelError:
    return ChangedModelError(
        f"the function returns another model than the one that was exported: {how}",
        where=where,
        fix="run `pipeline export` again; where the code is the same, let the function depend on "
        "nothing but its code and the seeds of torch, numpy and random",
    )


def _outputs(part: ExportPart) -> tuple[Tensor, ...]:
    with plain_kernels():
        outputs: tuple[Tensor, ...] = part.module(*part.inputs.values())
    return outputs


def _sample(tensor: Tensor) -> Tensor:
    """Return at most SAMPLE values of a tensor, evenly spread, in one row."""
    flat = tensor.detach().cpu().flatten()
    return flat[:: max(1, -(-len(flat) // SAMPLE))]


def _described(tensor: Tensor) -> dict[str, Json]:
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": [*tensor.shape]}


def _all_described(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Json]]:
    return {name: _described(tensor) for name, tensor in tensors.items()}


def _of_any_size(about: Mapping[str, Any]) -> dict[str, dict[str, Json]]:
    """Return descriptions that are equal where type and number of axes are."""
    return {
        name: {"dtype": entry["dtype"], "shape": ["any"] * len(entry["shape"])}
        for name, entry in about.items()
    }


def _shown(about: Mapping[str, Any]) -> str:
    return f"{about['dtype']}[{', '.join(map(str, about['shape']))}]"


def _storable(tensor: Tensor) -> Tensor:
    """Return a tensor of its own contiguous memory; types safetensors may lack as bytes."""
    own = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    return own if own.dtype in _NATIVE else own.flatten().view(torch.uint8)


def _typed(raw: Tensor, about: Mapping[str, Any], *, flat: bool = False) -> Tensor:
    """Return a stored tensor in its own type and shape."""
    dtype: torch.dtype = getattr(torch, about["dtype"])
    tensor = raw if raw.dtype == dtype else raw.view(dtype)
    return tensor if flat else tensor.reshape(about["shape"])
