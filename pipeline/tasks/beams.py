"""Beams, and whatever else only transformers' generate does, over any runner.

The cache stays with the runner (`runners.kv_cache`); transformers carries it as one opaque value.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, StoppingCriteriaList
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithPast

from pipeline.records.export import GenerationSpec
from pipeline.stages.export.hf_wrappers import CACHE_NAMES
from pipeline.stages.runners.decoding import CROSS, Decoder, DecoderState, crossed
from pipeline.stages.runners.torch_runner import TorchRunner
from pipeline.tasks.clock import TokenClock
from pipeline.tasks.request import Request
from pipeline.tasks.settings import Settings
from pipeline.tasks.stops import Criterion, stops_at

# Told to every call, or not transformers' to follow: it has no tokenizer here.
UNSAID = ("max_length", "stop_strings")
CACHE = next(name for name in CACHE_NAMES if name in CausalLMOutputWithPast.__annotations__)


def search(decoder: Decoder, request: Request) -> np.ndarray:
    """Return the ids of the answers [B, T]; rows that ended are filled up with the padding id."""
    model: Any = RunnerForGeneration(decoder, request.special)
    ids, mask = torch.from_numpy(request.ids), torch.from_numpy(request.mask)
    given: dict[str, Any] = {"attention_mask": mask, "pad_token_id": request.special.filling}
    if decoder.encoder is not None:
        given["encoder_outputs"] = model.encode(ids, mask)
    with torch.inference_mode(), _as_before(quiet=not isinstance(decoder.decoder, TorchRunner)):
        torch.manual_seed(request.options.seed)
        made: torch.Tensor = model.generate(
            None if decoder.encoder is not None else ids,
            stopping_criteria=_criteria(request),
            **given,
            **_arguments(request.options),
        )
    answers: np.ndarray = made[:, 1 if decoder.encoder is not None else ids.shape[1] :].numpy()
    return answers


def _arguments(options: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {
        "no_repeat_ngram_size": options.no_repeat_ngram_size,
        "min_length": options.min_length,
        "min_new_tokens": options.min_new_tokens or None,  # 0 would replace min_length
        "max_new_tokens": options.max_new_tokens,
        "repetition_penalty": options.repetition_penalty,
        "num_beams": options.num_beams,
        "do_sample": options.temperature > 0,
    }
    if options.length_penalty is not None:
        found["length_penalty"] = options.length_penalty
    if options.temperature > 0:
        found |= {
            "temperature": options.temperature,
            "top_k": options.top_k,
            "top_p": options.top_p,
        }
    return found


def _criteria(request: Request) -> StoppingCriteriaList:
    found = StoppingCriteriaList([_Hears(request.clock)])
    if request.options.stop:
        found.append(_Asks(stops_at(request.options.stop, request.tokenizer.bytes_of)))
    return found


class _Hears:
    """A stopping criterion that never stops: it tells a clock of new tokens."""

    def __init__(self, clock: TokenClock) -> None:
        self._clock = clock

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Return that no row is done."""
        self._clock.hear(ids.numpy())
        return torch.zeros(ids.shape[0], dtype=torch.bool)


class _Asks:
    """A criterion over arrays as one of transformers."""

    def __init__(self, criterion: Criterion) -> None:
        self._criterion = criterion

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Return which rows are done."""
        return torch.from_numpy(self._criterion(ids.numpy()))


@contextmanager
def _as_before(*, quiet: bool) -> Iterator[None]:
    """Leave torch's generator of random numbers and its number of threads as they were.

    Args:
        quiet: Keep torch to one thread, where it only chooses tokens: its threads would spin
            beside the runtime's, which do the work, on the same cores.
    """
    threads = torch.get_num_threads()
    if quiet:
        torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


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
        decoder: Steps the model.
        special: Special tokens, and what else the model says about generating.
    """

    main_input_name = "input_ids"
    _is_stateful = False
    _supports_cache_class = True
    base_model_prefix = ""
    input_modalities = ("text",)

    def __init__(self, decoder: Decoder, special: GenerationSpec) -> None:
        self.decoder, self.encoding = decoder, decoder.encoder
        told = {name: value for name, value in special.told().items() if name not in UNSAID}
        self.config = PretrainedConfig(is_encoder_decoder=self.encoding is not None)
        self.generation_config: Any = GenerationConfig(**told)  # type: ignore[no-untyped-call]
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
