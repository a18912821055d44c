"""Weights and constants as the judge holds them, converted one at a time when first needed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import torch

from pipeline import errors
from pipeline.judge.dtypes import DECLARED, Precision, to_torch
from pipeline.judge.plan import Loader


class Constants:
    """Finds constants of a model and keeps converted ones within a budget.

    Args:
        precision: How floats are held.
        budget_bytes: Converted constants kept between runs; the rest is converted each time
            it is needed and dropped after its last use.
    """

    def __init__(self, precision: Precision, budget_bytes: int) -> None:
        self._precision = precision
        self._left = budget_bytes
        self._kept: dict[ir.Value, torch.Tensor | None] = {}

    def loader(self, value: ir.Value) -> Loader | None:
        """Return what yields the constant, None where the value is computed or fed."""
        source = self._source(value)
        if source is None:
            return None
        if isinstance(source, Mapping):
            return lambda: self._cached(value, lambda: self.from_attributes(source))
        return lambda: self._cached(value, lambda: self._convert(source))

    def is_constant(self, value: ir.Value) -> bool:
        """Return whether the value is a weight or constant."""
        return self._source(value) is not None

    def native(self, value: ir.Value) -> torch.Tensor:
        """Return a constant in the type the file gives it, whatever the mode."""
        load = Constants(DECLARED, 0).loader(value)
        assert load is not None, "asked for constants only"
        return load()

    def keeps(self, value: ir.Value) -> bool:
        """Return whether the constant fits what is left of the budget, and reserve it."""
        if value in self._kept:
            return True
        source = self._source(value)
        tensor = source if not isinstance(source, Mapping) else None
        # Eight bytes an element covers every type a constant can be held in.
        size = 0 if tensor is None else 8 * tensor.size
        if size > self._left:
            return False
        self._left -= size
        self._kept[value] = None
        return True

    def from_attributes(self, attributes: Mapping[str, ir.Attr]) -> torch.Tensor:
        """Return the tensor a Constant node's attributes describe.

        Raises:
            BadModelError: it is a string, or none of the known forms.
        """
        for name, attr in attributes.items():
            if name == "value":
                return self._convert(attr.as_tensor())
            if name in ("value_int", "value_ints"):
                return torch.tensor(attr.value, dtype=torch.int64)
            if name in ("value_float", "value_floats"):
                return self._precision.of(torch.tensor(attr.value, dtype=torch.float32))
        raise errors.BadModelError(
            f"a Constant holds {sorted(attributes)}, which is no tensor of numbers",
            fix="cut the model so that it starts after its string processing",
        )

    def _source(self, value: ir.Value) -> ir.TensorProtocol | Mapping[str, ir.Attr] | None:
        node = value.producer()
        if node is None:
            return value.const_value
        if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
            return None
        bound = not any(attr.is_ref() for attr in node.attributes.values())
        return node.attributes if bound else None

    def _cached(self, value: ir.Value, make: Loader) -> torch.Tensor:
        kept = self._kept.get(value)
        if kept is not None:
            return kept
        tensor = make()
        if value in self._kept:
            self._kept[value] = tensor
        return tensor

    def _convert(self, tensor: ir.TensorProtocol) -> torch.Tensor:
        self._precision.held(tensor.dtype)
        return self._precision.of(to_torch(np.asarray(tensor.numpy())))
