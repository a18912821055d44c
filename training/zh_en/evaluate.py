"""Scores zh-en: `python -m training.zh_en.evaluate [FOLDER]` writes scores.json into FOLDER.

Two questions, two numbers. Held out: combinations of known words that training never saw.
Everyday: 100 sentences a person wrote before the templates existed; those that phrases.tsv has
as fixed phrases were learnt word for word, so the others are counted apart.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from models.zh_en import FOLDER
from models.zh_en.translator import Translator
from training.zh_en import corpus

LOG = logging.getLogger(__name__)
HELD_OUT = 4000
SEED = 999  # of the test pairs; training draws its own from seed 0


@dataclass(frozen=True)
class Scores:
    """How many sentences of each set came out exactly as written, greedily decoded."""

    held_out: int
    held_out_right: int
    everyday: int
    everyday_right: int
    everyday_unseen: int
    everyday_unseen_right: int

    @property
    def held_out_percent(self) -> float:
        """Return the exact matches on held-out combinations, in percent."""
        return 100 * self.held_out_right / self.held_out


def evaluate(translator: Translator, held_out: int = HELD_OUT) -> Scores:
    """Return the translator's scores; the misses are logged."""
    pairs = corpus.distinct(SEED, "test", held_out)
    said = translator.translate([pair.zh for pair in pairs])
    for pair, text in zip(pairs, said, strict=True):
        if text != pair.en:
            LOG.info("held out  %s\n  wanted %s\n  got    %s", pair.zh, pair.en, text)
    daily = corpus.everyday()
    answers = translator.translate([sentence.zh for sentence in daily])
    fixed = {corpus.bare(phrase.zh) for phrase in corpus.phrases()}
    right = [text in sentence.en for text, sentence in zip(answers, daily, strict=True)]
    unseen = [corpus.bare(sentence.zh) not in fixed for sentence in daily]
    for sentence, text, fine in zip(daily, answers, right, strict=True):
        if not fine:
            LOG.info("everyday  %s\n  wanted %s\n  got    %s", sentence.zh, sentence.en[0], text)
    return Scores(
        held_out=len(pairs),
        held_out_right=sum(text == pair.en for pair, text in zip(pairs, said, strict=True)),
        everyday=len(daily),
        everyday_right=sum(right),
        everyday_unseen=sum(unseen),
        everyday_unseen_right=sum(a and b for a, b in zip(right, unseen, strict=True)),
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="the model's files")
    parser.add_argument("--held-out", type=int, default=HELD_OUT, help="how many sentences")
    arguments = parser.parse_args()
    scores = evaluate(Translator.from_folder(arguments.folder), arguments.held_out)
    text = json.dumps({**asdict(scores), "held_out_percent": scores.held_out_percent}, indent=1)
    (arguments.folder / "scores.json").write_text(text + "\n", encoding="utf-8")
    LOG.info(text)
