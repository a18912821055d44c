"""Folders with small tokenizers of every kind, as transformers saves them."""

import json

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertTokenizer,
    ByT5Tokenizer,
    CodeGenTokenizer,
    GPT2Tokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    T5Tokenizer,
)

LINES = (
    "The cat sat on the mat. It's 3.14, isn't it? def add(a, b): return a + b",
    "Once upon a time there was a small town, and in it lived abcdef.",
    "我今天很开心。 你好吗？ größer schöner naïve",
)
CHAT = (
    "{% for m in messages %}{{ '<s>' + m['role'] + ': ' + m['content'] | trim + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)


def trained(model, trainer, lines, **size):
    """Return a tokenizer's vocabulary and merges, learnt from the lines."""
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.train_from_iterator(list(lines) * 20, trainer(show_progress=False, **size))
    told = json.loads(made.to_str())["model"]
    return told["vocab"], [tuple(pair) for pair in told.get("merges", ())]


def wordpiece():
    """A tokenizer as BERT's."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    made.train_from_iterator(LINES * 20, trainer)
    return BertTokenizer(vocab=made.get_vocab(), model_max_length=24)


def byte_pairs(kind):
    """A tokenizer as GPT-2's: pairs of bytes."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator(LINES * 20, trainer)
    told = json.loads(made.to_str())["model"]
    return kind(vocab=told["vocab"], merges=[tuple(pair) for pair in told["merges"]])


def byte_level():
    """A tokenizer as GPT-2's, with a chat template and padding on the left."""
    made = byte_pairs(GPT2Tokenizer)
    made.chat_template, made.padding_side = CHAT, "left"
    return made


def byte_fallback():
    """A tokenizer as Llama's: characters it does not know are written in bytes."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocab, merges = trained(
        models.BPE(), trainers.BpeTrainer, LINES[:2], vocab_size=420, special_tokens=words
    )
    made = LlamaTokenizer(vocab=vocab, merges=merges, add_bos_token=True)
    made.chat_template = {"default": CHAT, "other": "never"}
    return made


def unigram():
    """A tokenizer as T5's: an end mark behind every text, none before."""
    vocab, _ = trained(
        models.Unigram(), trainers.UnigramTrainer, LINES, vocab_size=150, unk_token="<unk>",
        special_tokens=["<pad>", "</s>", "<unk>"],
    )  # fmt: skip
    return T5Tokenizer(vocab=[tuple(pair) for pair in vocab], extra_ids=3, model_max_length=16)


def words():
    """A tokenizer of whole words without a token to pad with; spaces are cleaned up."""
    known = {word: i for i, word in enumerate(["?", ".", "day", "good", "n't", "is", "abcdef"])}
    made = Tokenizer(models.WordLevel(known, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="?", clean_up_tokenization_spaces=True,
        truncation_side="left", model_max_length=3, model_input_names=["input_ids"],
    )  # fmt: skip


FAST = {f.__name__: f for f in (wordpiece, byte_level, byte_fallback, unigram, words)}
SLOW = {"python": ByT5Tokenizer, "own": lambda: byte_pairs(CodeGenTokenizer)}
