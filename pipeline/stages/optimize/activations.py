"""The values every tensor of a graph takes on whole inputs, for proofs on real activations.

The graph runs once per set of inputs, as it was before any rewrite, in float64. What each node
makes goes to a scratch file in the type the graph declares, and a region reads back only what lies
at its own border: memory holds one node's values while recording and one region's while proving,
however deep the model. Running up to each region anew would cost a run per site; keeping only
borders would need the sites, which are found one after another while the graph changes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import onnx_ir as ir

from pipeline.errors import PipelineError, UsageError
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.regions import Region
from pipeline.graph.views.walks import bodies, border_above
from pipeline.types import SILENT, Progress

if TYPE_CHECKING:
    import torch

# Variant of sizes and style of each synthetic set: one with padding, one at other sizes without.
SYNTHETIC = ((0, "padded"), (1, "plain"))


class _Place(NamedTuple):
    """Where an array lies in the scratch file."""

    offset: int
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


class Activations:
    """Records a model's values on whole inputs, and gives back those at a region's border.

    Args:
        given: Inputs by name, or a file of them (.npz). Without any, or where they hold none of a
            graph's inputs (they may belong to another part of the model), some are made up that
            fit the graph.

    Attributes:
        problem: Why there are no activations, where made-up inputs do not run.
    """

    def __init__(self, given: Path | Mapping[str, np.ndarray] | None = None) -> None:
        self.given, self.problem = given, ""
        self._sets: dict[str, dict[ir.Value, _Place]] = {}
        self._old: dict[ir.Value, ir.Value] = {}
        self._scratch: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._model: ir.Model | None = None

    def record(self, model: ir.Model, facts: Facts, progress: Progress = SILENT) -> None:
        """Run the model on every set of inputs and write down what each node makes.

        Raises:
            UsageError: The file lacks an input of the graph, or holds another kind of numbers.
            BadModelError: The graph does not run on the inputs in the file.
        """
        from pipeline.judge import Judge

        self._model = model
        judge = Judge(model, "float64")
        named = {v.name: v for v in _fed_values(model.graph)}
        try:
            for label, feeds in self._feeds(model, judge.input_names):
                progress.step(f"recording activations: {label}")
                places: dict[ir.Value, _Place] = {}
                for name, array in feeds.items():
                    places[named[name]] = self._write(array)

                def observe(
                    name: str, tensor: torch.Tensor, places: dict[ir.Value, _Place] = places
                ) -> None:
                    value = named.get(name)
                    if value is not None and value not in places:
                        places[value] = self._write(_declared(tensor, facts.dtype(value)))

                judge.run(feeds, observe=observe)
                self._sets[label] = places
        except PipelineError as error:
            if self.given is not None:
                raise
            self.problem = f"made-up inputs do not run: {error.what}"[:200]

    def close(self) -> None:
        """Drop what was recorded."""
        self._scratch.close()

    def replaced(self, old: Sequence[ir.Value], new: Sequence[ir.Value]) -> None:
        """Note that proven replacements hold what the values they replace held."""
        self._old.update((b, a) for a, b in zip(old, new, strict=True) if a is not b)

    def feeds(self, region: Region) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """Yield, for each set of inputs, its name and the values at the region's inputs.

        A set is left out where the region lies in a branch or loop body, which is not recorded.
        """
        for label, places in self._sets.items():
            found: dict[str, np.ndarray] = {}
            for index, value in enumerate(region.inputs):
                array = self._value(value, places)
                if array is None:
                    break
                found[f"i{index}"] = array
            else:
                yield label, found

    def _feeds(
        self, model: ir.Model, names: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        from pipeline.inputs import InputMaker, load_inputs

        stored = load_inputs(self.given) if isinstance(self.given, Path) else self.given or {}
        if not stored.keys() & set(names):
            maker = InputMaker(model)
            for variant, style in SYNTHETIC:
                sizes = maker.dims(variant)
                told = ", ".join(f"{n}={s}" for n, s in sizes.items() if n in maker.sizes.free())
                label = f"made-up inputs, {style}" + (f", {told}" if told else "")
                yield label, maker.make(sizes, variant, style)  # type: ignore[arg-type]
            return
        label = self.given.name if isinstance(self.given, Path) else "the inputs given"
        if missing := [name for name in names if name not in stored]:
            raise UsageError(
                f"the inputs lack {', '.join(missing)}",
                where=str(self.given) if isinstance(self.given, Path) else "",
                fix=f"store one array for each of {', '.join(names)}",
            )
        yield label, {name: stored[name] for name in names}

    def _write(self, array: np.ndarray) -> _Place:
        offset = self._scratch.seek(0, 2)
        self._scratch.write(np.ascontiguousarray(array).tobytes())
        return _Place(offset, array.dtype, array.shape)

    def _read(self, place: _Place) -> np.ndarray:
        self._scratch.seek(place.offset)
        count = int(np.prod(place.shape, dtype=np.int64))
        data = self._scratch.read(count * place.dtype.itemsize)
        return np.frombuffer(data, place.dtype).reshape(place.shape)

    def _place(self, value: ir.Value, places: Mapping[ir.Value, _Place]) -> _Place | None:
        while value not in places and value in self._old:
            value = self._old[value]
        return places.get(value)

    def _value(self, value: ir.Value, places: Mapping[ir.Value, _Place]) -> np.ndarray | None:
        """Return a value as recorded; inside a replacement, computed from what was recorded."""
        from pipeline.judge import Judge

        place = self._place(value, places)
        if place is not None:
            return self._read(place)
        assert self._model is not None
        assert value.name is not None
        if value.graph is not self._model.graph:
            return None
        near = self._border(value, places)
        feeds = {v.name: self._read(place) for v, place in near.items() if v.name}
        try:
            made = Judge(self._model, "float64").run(feeds, [value.name])
        except PipelineError:
            return None
        return _declared(made[value.name], value.dtype)

    def _border(self, value: ir.Value, places: Mapping[ir.Value, _Place]) -> dict[ir.Value, _Place]:
        """Return the recorded values nearest above one that is not recorded."""
        above = border_above(value, lambda source: self._place(source, places) is None)
        return {x: place for x in above if (place := self._place(x, places)) is not None}


def _declared(tensor: torch.Tensor, kind: ir.DataType | None) -> np.ndarray:
    """Return a tensor in the type the graph gives it."""
    array: np.ndarray = tensor.detach().cpu().numpy()
    if kind is None:
        return array.astype(np.float32) if array.dtype == np.float64 else array
    with np.errstate(over="ignore"):  # a sum of two lowest numbers is minus infinity there too
        return array.astype(kind.numpy())


def _fed_values(graph: ir.Graph) -> Collection[ir.Value]:
    """Return the graph's inputs and every value computed from them.

    What comes from weights alone can be as large as they are, and is never at a border.
    """
    found = {value: None for value in graph.inputs if value.name not in graph.initializers}
    for node in graph:
        if any(x in found for x in node.inputs) or bodies(node):
            found.update(dict.fromkeys(node.outputs))
    return found.keys()
