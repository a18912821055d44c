"""Seeded sentence pairs: what the translator learns from and what is held out from it.

A pair's place is decided by a hash of its Chinese alone, so it can never be in both sets.
The hand-written everyday sentences are in neither, unless phrases.tsv has them as fixed phrases.

    python -m training.zh_en.corpus 20       shows twenty pairs
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from training.zh_en import DATA, clauses, complex, patterns, questions
from training.zh_en.clauses import Clause
from training.zh_en.lexicon import Chooser

PUNCTUATION = "。？！，.?!,、；：“”‘’（）()…~"
_KINDS = (
    (44, clauses.simple),
    (24, patterns.pattern),
    (13, questions.question),
    (19, complex.compound),
)


@dataclass(frozen=True)
class Pair:
    """A Chinese sentence and its English translation, both punctuated as people write."""

    zh: str
    en: str


@dataclass(frozen=True)
class Everyday:
    """A hand-written sentence and every translation that counts as right."""

    zh: str
    en: tuple[str, ...]


def bare(zh: str) -> str:
    """Return the sentence without spaces and final punctuation, its identity in the corpus."""
    return zh.replace(" ", "").rstrip(PUNCTUATION)


def held_out(zh: str) -> bool:
    """Return whether the sentence belongs to the test set: one in sixteen does."""
    return zlib.crc32(bare(zh).encode()) % 16 == 0


@lru_cache(maxsize=1)
def everyday() -> tuple[Everyday, ...]:
    """Return the 100 hand-written everyday sentences."""
    rows = (DATA / "everyday.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(Everyday(zh, tuple(en.split("|"))) for zh, en in (r.split("\t") for r in rows))


@lru_cache(maxsize=1)
def phrases() -> tuple[Clause, ...]:
    """Return the fixed phrases of everyday talk, which are always learnt."""
    rows = (DATA / "phrases.tsv").read_text(encoding="utf-8").splitlines()
    parts = (row.split("\t") for row in rows)
    return tuple(Clause(zh, en.rstrip("?"), en.endswith("?")) for zh, en in parts)


Style: TypeAlias = Literal["full", "bare", "loud"]


def punctuate(clause: Clause, style: Style) -> Pair:
    """Return the clause as written text; a question keeps its mark in English either way.

    "full" ends with 。 or ？ and its counterpart, "loud" with ！ or ？, "bare" with "?" at most.
    """
    zh = clause.zh.replace(" ", "")
    en = clause.en[0].upper() + clause.en[1:]
    if style == "bare":
        return Pair(zh, en + ("?" if clause.question else ""))
    zh_end, en_end = ("！", "!") if style == "loud" else ("。", ".")
    return Pair(
        zh + ("？" if clause.question else zh_end), en + ("?" if clause.question else en_end)
    )


def clauses_of(seed: int) -> Iterator[Clause]:
    """Yield clauses for ever, the same ones for the same seed."""
    chooser = Chooser(seed)
    fixed = phrases()
    said = {bare(phrase.zh): phrase.en for phrase in fixed}
    unseen = {bare(sentence.zh) for sentence in everyday()}
    while True:
        if chooser.chance(0.03):
            yield chooser.among(fixed)
            continue
        clause = chooser.weighted(_KINDS)(chooser)
        identity = bare(clause.zh)
        if identity not in unseen and said.get(identity, clause.en) == clause.en:
            yield clause


def pairs(seed: int, split: Literal["train", "test"]) -> Iterator[Pair]:
    """Yield pairs of the split for ever; fixed phrases are only trained on."""
    chooser = Chooser(seed + 1)
    fixed = {phrase.zh for phrase in phrases()}
    for clause in clauses_of(seed):
        test = held_out(clause.zh) and clause.zh not in fixed
        if test == (split == "test"):
            style: Style = chooser.weighted([(56, "full"), (38, "bare"), (6, "loud")])
            yield punctuate(clause, style)


def distinct(seed: int, split: Literal["train", "test"], count: int) -> list[Pair]:
    """Return the first `count` pairs of the split with different Chinese."""
    found: dict[str, Pair] = {}
    for pair in pairs(seed, split):
        found.setdefault(bare(pair.zh), pair)
        if len(found) == count:
            return list(found.values())
    raise AssertionError("the stream of pairs has no end")


if __name__ == "__main__":
    for shown in distinct(0, "train", int(sys.argv[1])):
        sys.stdout.write(f"{shown.zh}\t{shown.en}\n")
