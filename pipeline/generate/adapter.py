"""transformers' generation over any runner: its loops and samplers, our graphs and caches.

The cache stays with the runner: what a step returns as present.N.* is handed back as
past_key_values.N.* without passing through Python, where the runner can hold values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithPast

from pipeline.export.hf_wrappers import CACHE_NAMES
from pipeline.runners.base import Runner
from pipeline.runners.decoding import CROSS, PAST, PRESENT, cache_capacity, static_inputs
from pipeline.runners.held import empty_cache, hold, reorder, run_held

CACHE = next(name for name in CACHE_NAMES if name in CausalLMOutputWithPast.__annotations__)


class RunnerCache:
    """What a decoder carries from step to step; opaque to transformers.

    Attributes:
        values: past_key_values.N.* as the runner holds them.
        length: Positions in them.
    """

    is_compileable = False

    def __init__(self, values: dict[str, Any], length: int = 0) -> None:
        self.values, self.length = values, length

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the number of positions held."""
        return self.length


class RunnerForGeneration(GenerationMixin):
    """A decoder, or an encoder with its decoder, that `generate` can drive.

    Args:
        parts: {"encoder": ..., "decoder": ...} or {"model": ...}.
        inputs: Export facts of the decoding part's inputs.
        special: Special token ids and lengths from the export facts.
    """

    main_input_name = "input_ids"
    _is_stateful = False
    _supports_cache_class = True
    base_model_prefix = ""
    input_modalities = ("text",)

    def __init__(
        self,
        parts: Mapping[str, Runner],
        inputs: Sequence[Mapping[str, Any]],
        special: Mapping[str, Any],
    ) -> None:
        self.encoding = parts.get("encoder")
        self.stepping = parts["decoder"] if "decoder" in parts else parts["model"]
        self.inputs, self.capacity = inputs, cache_capacity(inputs)
        ids = {name: value for name, value in special.items() if name.endswith("token_id")}
        self.config = PretrainedConfig(is_encoder_decoder=self.encoding is not None)
        self.generation_config: Any = GenerationConfig(**ids)  # type: ignore[no-untyped-call]
        self.device = torch.device("cpu")
        self.dtype = torch.float32

    @contextmanager
    def _optimize_model_for_decode(self) -> Iterator[None]:
        yield  # nothing of the graph changes between prompt and steps

    def can_generate(self) -> bool:
        """Return True: that is what it is for."""
        return True

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:  # the runner's own cache instead
        return False

    def _validate_model_kwargs(self, model_kwargs: dict[str, Any]) -> None:
        return None

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> BaseModelOutput:
        """Return the encoder's output with the cross-attention keys and values beside it."""
        assert self.encoding is not None
        made = self.encoding.run({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        result = BaseModelOutput(last_hidden_state=torch.from_numpy(made["last_hidden_state"]))
        for name, value in made.items():
            if name.startswith(CROSS):
                result[name] = torch.from_numpy(value)
        return result

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_outputs: Any = None,
        **others: Any,
    ) -> dict[str, Any]:
        """Return the arguments of the next call: only positions the cache does not hold."""
        held: RunnerCache | None = others.get(CACHE)
        return {
            "input_ids": input_ids[:, held.length if held is not None else 0 :],
            CACHE: held,
            "attention_mask": attention_mask,
            "encoder_outputs": encoder_outputs,
        }

    def __call__(self, **arguments: Any) -> CausalLMOutputWithPast:
        """Return logits and cache."""
        return self.forward(**arguments)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_outputs: Any = None,
        **others: Any,
    ) -> CausalLMOutputWithPast:
        """Return the logits of these positions [B, S, V] and the cache after them."""
        ids = input_ids.numpy()
        cache = others.get(CACHE) or RunnerCache(empty_cache(self.stepping, self.inputs, len(ids)))
        feeds: dict[str, Any] = {"input_ids": ids, **cache.values}
        if attention_mask is None:  # transformers drops a mask that hides nothing
            attention_mask = torch.ones(len(ids), cache.length + ids.shape[1], dtype=torch.long)
        mask = attention_mask.numpy()
        feeds["attention_mask"] = mask
        if encoder_outputs is None:
            positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
            feeds["position_ids"] = positions[:, -ids.shape[1] :]
        else:
            feeds |= self._crossed(encoder_outputs)
        into = None
        if self.capacity:
            feeds |= static_inputs(mask, ids.shape[1], self.capacity)
            into = {PRESENT + n.removeprefix(PAST): value for n, value in cache.values.items()}
        made = run_held(self.stepping, feeds, PRESENT, into)
        values = {
            PAST + name.removeprefix(PRESENT): value
            for name, value in made.items()
            if name.startswith(PRESENT)
        }
        logits = torch.from_numpy(np.asarray(made["logits"], dtype=np.float32))
        made_cache: dict[str, Any] = {CACHE: RunnerCache(values, cache.length + ids.shape[1])}
        return CausalLMOutputWithPast(logits=logits, **made_cache)

    def _crossed(self, outputs: Any) -> dict[str, Any]:
        """Return the cross-attention keys and values as the runner holds them, made once."""
        held = getattr(outputs, "_held", None)
        if held is None:
            crossed = {n: outputs[n].numpy() for n in outputs if n.startswith(CROSS)}
            held = {name: hold(self.stepping, value) for name, value in crossed.items()}
            object.__setattr__(outputs, "_held", held)
        return dict(held)

    def _reorder_cache(self, cache: RunnerCache, beams: torch.Tensor) -> RunnerCache:
        rows = beams.numpy()
        return RunnerCache(reorder(self.stepping, cache.values, rows), cache.length)
