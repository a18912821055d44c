"""The corpus: seeded, split without leaks, nearly free of contradictions, broad."""

import hashlib
import itertools
import re
from collections import defaultdict

import pytest

from models.zh_en import FOLDER
from training.zh_en import (
    clauses,
    complex,
    corpus,
    lexicon,
    nouns,
    patterns,
    people,
    predicates,
    questions,
    things,
    times,
    verbs,
)

MAKERS = {
    "simple": clauses.simple, "pattern": patterns.pattern, "question": questions.question,
    "compound": complex.compound, "weather": times.weather, "located": things.located,
    "liking": people.liking,
}  # fmt: skip


@pytest.fixture(scope="module")
def first():
    """Return the first pairs that training sees."""
    return list(itertools.islice(corpus.pairs(0, "train"), 20_000))


def test_a_seed_gives_the_same_pairs():
    one, again = (list(itertools.islice(corpus.pairs(3, "train"), 200)) for _ in range(2))
    assert one == again
    assert one != list(itertools.islice(corpus.pairs(4, "train"), 200))


def test_the_corpus_is_the_one_the_published_weights_learnt(first):
    """A digest of the first pairs: a word, a weight or a draw that changes gives other weights."""
    digest = hashlib.sha256()
    for pair in first:
        digest.update(f"{pair.zh}\t{pair.en}\n".encode())
    assert digest.hexdigest().startswith("3b1c357dae715942d2ac")


def test_train_and_test_never_share_a_sentence(first):
    train = {corpus.bare(pair.zh) for pair in first}
    test = {corpus.bare(p.zh) for p in corpus.distinct(999, "test", 1000)}
    assert not train & test


def test_everyday_sentences_are_trained_on_only_as_fixed_phrases(first):
    daily = {corpus.bare(sentence.zh) for sentence in corpus.everyday()}
    fixed = {corpus.bare(phrase.zh) for phrase in corpus.phrases()}
    seen = {corpus.bare(pair.zh) for pair in first}
    assert len(corpus.everyday()) == 100
    assert daily & seen <= fixed


def test_one_chinese_sentence_has_one_translation():
    """Or exact match would be a lottery; one in a thousand may differ."""
    found = defaultdict(set)
    for clause in itertools.islice(corpus.clauses_of(5), 30_000):
        found[clause.zh.replace(" ", "")].add(clause.en)
    several = [zh for zh, translations in found.items() if len(translations) > 1]
    assert len(several) <= len(found) / 1000, several[:5]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_english_is_well_formed(make):
    chooser = lexicon.Chooser(1)
    for _ in range(500):
        clause = make(chooser)
        assert not re.search(r"  |\s[,.]|^\s|\s$", clause.en), clause
        assert not re.search(r"(?<!')\ba [aeio]\w+|(?<!')\ban [^aeiouh ]", clause.en), clause
        assert re.fullmatch(r"[\u4e00-\u9fff， ]+", clause.zh), clause


def test_combinations_are_many(first):
    assert len({corpus.bare(pair.zh) for pair in first}) > 17_000


def test_distinct_pairs_are_the_first_of_each_sentence(first):
    pairs = corpus.distinct(0, "train", 1000)
    assert len({corpus.bare(pair.zh) for pair in pairs}) == 1000
    assert pairs[:5] == first[:5]
    assert set(pairs) <= set(first)


@pytest.mark.parametrize(
    ("style", "zh", "en"),
    [
        ("full", "我很好。", "I'm fine."),
        ("bare", "我很好", "I'm fine"),
        ("loud", "我很好！", "I'm fine!"),
    ],
)
def test_punctuation(style, zh, en):
    clause = clauses.Clause("我 很 好", "I'm fine")
    assert corpus.punctuate(clause, style) == corpus.Pair(zh, en)


def test_a_question_keeps_its_mark():
    clause = clauses.Clause("你 好 吗", "how are you", question=True)
    assert corpus.punctuate(clause, "bare") == corpus.Pair("你好吗", "How are you?")


def test_amounts_use_the_nouns_own_measure():
    chooser = lexicon.Chooser(0)
    tea = chooser.by_zh["drink", "茶"]
    seen = {nouns.amount(chooser, tea, "drink").en for _ in range(60)}
    assert {"a cup of tea", "two cups of tea"} <= seen


def test_predicates_in_each_form():
    happy = predicates.Predicate.regular("be", "happy", "开心")
    she = predicates.Subject("she", pronoun=True)
    said = [predicates.english(she, happy, "present", form) for form in ("yes", "no", "ask")]
    assert said == ["she's happy", "she's not happy", "is she happy"]
    assert predicates.english(she, happy, "past", "no") == "she wasn't happy"


def test_verb_phrases_agree_with_fixed_ones():
    chooser = lexicon.Chooser(0)
    for _ in range(2000):
        phrase = verbs.consuming(chooser)
        fixed = chooser.fixed.get(phrase.zh.replace(" ", ""))
        assert fixed is None or phrase.en == fixed.en


def test_the_unseen_sentences_are_unseen():
    texts = (FOLDER / "unseen.txt").read_text(encoding="utf-8").splitlines()
    assert len(texts) == len(set(texts)) == 200
    assert all(corpus.held_out(text) for text in texts)
