"""Making the tokenizer of zh-en: English pieces are learnt, Chinese words are the corpus's own."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import UnigramTrainer

from models.zh_en.tokenizer import (
    EOS,
    MARKS,
    MAX_LENGTH,
    PAD,
    SPECIAL,
    UNKNOWN,
    SentenceTokenizer,
    Words,
)
from training.zh_en.clauses import Clause


def train_tokenizer(
    clauses: Iterable[Clause], english: Iterable[str], pieces: int, pairs: frozenset[str]
) -> SentenceTokenizer:
    """Return a tokenizer whose Chinese words are the clauses' own and whose English is learnt.

    Args:
        clauses: Their Chinese has its words parted by spaces.
        english: Punctuated English sentences.
        pieces: How many English pieces to learn.
        pairs: From `neighbours`.
    """
    learnt = Tokenizer(models.Unigram())
    learnt.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trainer = UnigramTrainer(
        vocab_size=pieces, special_tokens=[], show_progress=False, unk_token=None,
        max_piece_length=16,
    )  # fmt: skip
    learnt.train_from_iterator((" " + text for text in english), trainer)
    scores = json.loads(learnt.to_str())["model"]["vocab"]
    # The last digits vary by run, and so do the scores of letters no text of ours needs alone.
    floor = min(score for piece, score in scores if len(piece) > 1) - 1.0
    rounded = [(piece, round(max(score, floor), 6)) for piece, score in scores]
    known = sorted(rounded, key=lambda entry: (-entry[1], entry[0]))
    counts: Counter[str] = Counter()
    for clause in clauses:
        counts.update(word for word in _words(clause) if word not in MARKS)
    counts.update({"。": 1})
    total = math.log(sum(counts.values()))
    vocab = [(token, 0.0) for token in SPECIAL] + known
    first_chinese = len(vocab)
    vocab += [(word, round(math.log(count) - total, 6)) for word, count in sorted(counts.items())]
    return SentenceTokenizer(_assemble(vocab), Words(first_chinese, pairs))


def neighbours(clauses: Iterable[Clause]) -> frozenset[str]:
    """Return every two one-character words that stand side by side in the clauses."""
    return frozenset(
        first + second
        for clause in clauses
        for first, second in pairwise(_words(clause))
        if len(first) == len(second) == 1
    )


def _words(clause: Clause) -> list[str]:
    return clause.zh.replace("，", ",").split(" ")


def _assemble(vocab: list[tuple[str, float]]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=UNKNOWN, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex(r"(?<=\p{Han})\s+(?=\p{Han})"), ""),
            normalizers.Replace("、", ","),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", EOS)]
    )
    tokenizer.enable_padding(pad_id=PAD, pad_token=SPECIAL[PAD])
    tokenizer.enable_truncation(MAX_LENGTH)
    return tokenizer


def save_tokenizer(tokenizer: SentenceTokenizer, folder: Path) -> None:
    """Write tokenizer.json and words.json."""
    tokenizer.tokenizer.save(str(folder / "tokenizer.json"))
    words = {
        "first_chinese_id": tokenizer.words.first_chinese_id,
        "pairs": sorted(tokenizer.words.pairs),
    }
    (folder / "words.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
