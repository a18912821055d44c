"""Small models of transformers behind the runner shape, and tokenizers that only decode."""

from pathlib import Path

import numpy as np
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    DynamicCache,
    EncoderDecoderCache,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from pipeline.records.export import GenerationSpec
from pipeline.records.tensors import TensorSpec
from pipeline.stages.runners.decoding import Decoder
from pipeline.tasks.clock import TokenClock
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.request import Request
from pipeline.tasks.settings import settled
from pipeline.tokenizer.base import padded

HEADS = {"llama": 2, "gpt2": 4, "bart": 4}
SPECIAL = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def model(family):
    """Return a small random model, sharper than an initial one, so that no two tokens tie."""
    torch.manual_seed(0)
    if family == "llama":
        made = LlamaForCausalLM(LlamaConfig(
            vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, bos_token_id=1, eos_token_id=2,
        ))  # fmt: skip
    elif family == "gpt2":
        made = GPT2LMHeadModel(GPT2Config(
            vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=96, bos_token_id=1,
            eos_token_id=2,
        ))  # fmt: skip
    else:
        made = BartForConditionalGeneration(BartConfig(
            vocab_size=96, d_model=32, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=48,
            decoder_ffn_dim=48, encoder_attention_heads=4, decoder_attention_heads=4,
            max_position_embeddings=96, bos_token_id=1, eos_token_id=2, pad_token_id=0,
            decoder_start_token_id=2, forced_eos_token_id=None,
        ))  # fmt: skip
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(4.0)
    made.generation_config.forced_eos_token_id = None
    return made.eval()


def caches(layers, *kinds):
    return [f"{i}.{kind}" for i in range(layers) for kind in kinds]


class ModuleRunner:
    """A transformers decoder behind the runner shape, its cache as arrays."""

    def __init__(self, made, layers=2):
        self.model, self.layers, self.lengths = made, layers, []
        kinds = caches(layers, "key", "value")
        self.pasts = [f"past_key_values.{kind}" for kind in kinds]
        self.input_names = ("input_ids", "attention_mask", "position_ids", *self.pasts)
        self.output_names = ("logits", *(f"present.{kind}" for kind in kinds))

    def run(self, feeds):
        self.lengths.append(feeds["input_ids"].shape[1])
        given = {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in feeds.items()}
        cache = self.filled(given, "past_key_values")
        plain = {name: given[name] for name in ("input_ids", "attention_mask", "position_ids")}
        with torch.inference_mode():
            made = self.model(**plain, past_key_values=cache, use_cache=True)
        return self.named(made.logits, made.past_key_values)

    def filled(self, given, name):
        cache = DynamicCache()
        for i in range(self.layers):
            cache.update(*(given[f"{name}.{i}.{kind}"] for kind in ("key", "value")), i)
        return cache

    def named(self, logits, cache):
        found = [logits, *(x for layer in cache.layers for x in (layer.keys, layer.values))]
        return {n: x.numpy() for n, x in zip(self.output_names, found, strict=True)}


class BehindEncoder(ModuleRunner):
    """BART's decoder: the encoder's keys and values go into every step."""

    def __init__(self, made):
        super().__init__(made)
        self.crosses = [f"cross.{kind}" for kind in caches(self.layers, "key", "value")]
        self.input_names = ("input_ids", "attention_mask", *self.pasts, *self.crosses)

    def run(self, feeds):
        self.lengths.append(feeds["input_ids"].shape[1])
        given = {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in feeds.items()}
        cache = EncoderDecoderCache(
            self.filled(given, "past_key_values"), self.filled(given, "cross")
        )
        for layer in range(self.layers):
            cache.is_updated[layer] = True
        width = given["attention_mask"].shape[1]
        with torch.inference_mode():
            made = self.model(
                encoder_outputs=(torch.zeros(len(given["input_ids"]), width, 32),),
                attention_mask=given["attention_mask"], decoder_input_ids=given["input_ids"],
                past_key_values=cache, use_cache=True,
            )  # fmt: skip
        return self.named(made.logits, made.past_key_values.self_attention_cache)


class Encoder:
    """BART's encoder, with the keys and values that every step of the decoder reads."""

    input_names = ("input_ids", "attention_mask")

    def __init__(self, made):
        self.model = made

    def run(self, feeds):
        with torch.inference_mode():
            given = {name: torch.from_numpy(x) for name, x in feeds.items()}
            states = self.model.model.encoder(**given).last_hidden_state
            found = {"last_hidden_state": states.numpy()}
            for i, layer in enumerate(self.model.model.decoder.layers):
                attention = layer.encoder_attn
                for kind, project in (("key", attention.k_proj), ("value", attention.v_proj)):
                    split = project(states).unflatten(-1, (4, 8)).transpose(1, 2)
                    found[f"cross.{i}.{kind}"] = split.contiguous().numpy()
        return found


def decoder(made, family):
    """Return what steps a model through text."""
    if family == "bart":
        parts = {"encoder": Encoder(made), "decoder": BehindEncoder(made)}
    else:
        parts = {"model": ModuleRunner(made)}
    pasts = list(parts.values())[-1].pasts
    shape = ("b", HEADS[family], "p", 8)
    return Decoder(parts, [TensorSpec(name, "float32", shape) for name in pasts])


class Letters:
    """A tokenizer of 96 tokens: characters from the space on."""

    def decode(self, ids, *, special=False):
        return "".join(chr(32 + i) for i in ids)

    def bytes_of(self, token):
        return chr(32 + token).encode()


def request(rows, *, special=SPECIAL, clock=None, left=True, **options):
    """Return a request for rows of ids."""
    told = GenerationSpec(**special)
    asked = GenerateOptions(Path("out"), ("-",), **options)
    return Request(
        padded(rows, 0, left=left),
        padded([[1] * len(row) for row in rows], 0, left=left),
        settled(asked, told, has_encoder=not left),
        told,
        Letters(),
        clock or TokenClock(),
    )
