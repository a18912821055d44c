"""transformers' generation over any runner: its loops and samplers, our graphs and caches.

The cache stays with the runner (`runners.kv_cache`); transformers carries it as one opaque value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithPast

from pipeline.records.export import GenerationSpec
from pipeline.records.tensors import TensorSpec
from pipeline.stages.export.hf_wrappers import CACHE_NAMES
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.decoding import CROSS, Decoder, DecoderState, crossed

CACHE = next(name for name in CACHE_NAMES if name in CausalLMOutputWithPast.__annotations__)


class RunnerCache:
    """What a decoder carries from step to step; opaque to transformers."""

    is_compileable = False

    def __init__(self, state: DecoderState) -> None:
        self.state = state

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the number of positions held."""
        return self.state.length


class RunnerForGeneration(GenerationMixin):
    """A decoder, or an encoder with its decoder, that `generate` can drive.

    Args:
        parts: {"encoder": ..., "decoder": ...} or {"model": ...}.
        inputs: What the decoding part takes.
        special: Special token ids and lengths.
    """

    main_input_name = "input_ids"
    _is_stateful = False
    _supports_cache_class = True
    base_model_prefix = ""
    input_modalities = ("text",)

    def __init__(
        self,
        parts: Mapping[str, Runner],
        inputs: Sequence[TensorSpec],
        special: GenerationSpec,
    ) -> None:
        self.decoder = Decoder(parts, inputs)
        self.encoding, self.capacity = self.decoder.encoder, self.decoder.capacity
        ids: dict[str, Any] = {**special.token_ids()}
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
        for name, value in crossed(made).items():
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
            "input_ids": input_ids[:, held.state.length if held is not None else 0 :],
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
        ids, mask = input_ids.numpy(), None
        cache: RunnerCache | None = others.get(CACHE)
        if cache is None:
            cache = RunnerCache(self._open(len(ids), attention_mask, encoder_outputs))
            mask = self._prompt_mask(attention_mask)
        logits = np.asarray(self.decoder.step(cache.state, ids, mask), dtype=np.float32)
        made: dict[str, Any] = {CACHE: cache}
        return CausalLMOutputWithPast(logits=torch.from_numpy(logits), **made)

    def stepper(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_outputs: Any = None,
        **_: Any,
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Return what gives the logits [B, T, V] of the next positions [B, T], prompt first."""
        state = self._open(len(input_ids), attention_mask, encoder_outputs)
        masks = [self._prompt_mask(attention_mask)]

        def step(ids: np.ndarray) -> np.ndarray:
            mask = masks.pop() if masks else None
            return np.asarray(self.decoder.step(state, ids, mask), dtype=np.float32)

        return step

    def _open(self, rows: int, mask: torch.Tensor | None, encoded: Any) -> DecoderState:
        if self.encoding is None:
            return self.decoder.open(rows)
        assert mask is not None
        fixed = {name: encoded[name].numpy() for name in encoded if name.startswith(CROSS)}
        return self.decoder.open(rows, {**fixed, "attention_mask": mask.numpy()})

    def _prompt_mask(self, mask: torch.Tensor | None) -> np.ndarray | None:
        """Return which positions of a prompt are real; None means all.

        transformers drops a mask that hides nothing. With an encoder the mask is the source's.
        """
        return None if mask is None or self.encoding is not None else mask.numpy()

    def _reorder_cache(self, cache: RunnerCache, beams: torch.Tensor) -> RunnerCache:
        cache.state.reorder(beams.numpy())
        return cache
