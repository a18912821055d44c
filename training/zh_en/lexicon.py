"""The words of the corpus, and seeded choices among them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from training.zh_en import DATA

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One row of lexicon.tsv: Chinese with words parted by spaces, English, and notes."""

    zh: str
    en: str
    notes: tuple[str, ...] = ()

    def note(self, index: int) -> str:
        """Return note number `index`, empty where the row is shorter."""
        return self.notes[index] if index < len(self.notes) else ""


def load_lexicon() -> dict[str, tuple[Entry, ...]]:
    """Return the entries of lexicon.tsv by class."""
    rows: dict[str, list[Entry]] = {}
    for line in (DATA / "lexicon.tsv").read_text(encoding="utf-8").splitlines():
        name, zh, en, *notes = line.split("\t")
        rows.setdefault(name, []).append(Entry(zh, en, tuple(notes)))
    return {name: tuple(entries) for name, entries in rows.items()}


class Chooser:
    """Seeded choices among the entries of a lexicon."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lexicon = load_lexicon()
        self.fixed = {e.zh.replace(" ", ""): e for e in self.lexicon["vp"]}
        self.by_zh = {(name, e.zh): e for name, rows in self.lexicon.items() for e in rows}

    def entry(self, name: str) -> Entry:
        """Return a random entry of the class."""
        return self.random.choice(self.lexicon[name])

    def pick(self, *options: T) -> T:
        """Return one of the options."""
        return self.random.choice(options)

    def among(self, options: Sequence[T]) -> T:
        """Return one element of the sequence."""
        return self.random.choice(options)

    def weighted(self, options: Sequence[tuple[int, T]]) -> T:
        """Return one of the (weight, option) pairs' options."""
        return self.random.choices([o for _, o in options], [w for w, _ in options])[0]

    def chance(self, probability: float) -> bool:
        """Return True with the probability."""
        return self.random.random() < probability
