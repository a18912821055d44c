"""The scores: those of the published weights, and that a wrong answer counts as one."""

import json

import pytest

from models.zh_en import FOLDER
from models.zh_en.translator import Translator
from training.zh_en import corpus
from training.zh_en.evaluate import evaluate


@pytest.fixture(scope="module")
def translator():
    return Translator.from_folder()


def test_a_sample_of_held_out_sentences(translator):
    """The card's figure is over 4000; 200 of them vary by about 1.5 % around it."""
    scores = evaluate(translator, held_out=200)
    assert scores.held_out_percent >= 93
    published = json.loads((FOLDER / "scores.json").read_text())
    assert scores.everyday_right == published["everyday_right"]


class Fake:
    """Answers from a table, and one sentence of each kind wrongly."""

    def __init__(self, wrong):
        self.known = {pair.zh: pair.en for pair in corpus.distinct(999, "test", 20)}
        self.known |= {sentence.zh: sentence.en[-1] for sentence in corpus.everyday()}
        self.known |= dict.fromkeys(wrong, "?")

    def translate(self, texts):
        return [self.known[text] for text in texts]


def test_any_accepted_translation_counts_and_nothing_else():
    fixed = {corpus.bare(phrase.zh) for phrase in corpus.phrases()}
    learnt = next(s.zh for s in corpus.everyday() if corpus.bare(s.zh) in fixed)
    unseen = next(s.zh for s in corpus.everyday() if corpus.bare(s.zh) not in fixed)
    pair = corpus.distinct(999, "test", 20)[3].zh
    scores = evaluate(Fake([learnt, unseen, pair]), held_out=20)
    assert (scores.held_out, scores.held_out_right, scores.held_out_percent) == (20, 19, 95.0)
    assert (scores.everyday, scores.everyday_right) == (100, 98)
    assert scores.everyday_unseen_right == scores.everyday_unseen - 1
