"""English inflection, regular and irregular."""

import pytest

from training.zh_en import english
from training.zh_en.english import Subject


@pytest.mark.parametrize(
    ("verb", "third", "past", "participle", "gerund"),
    [
        ("go to bed", "goes to bed", "went to bed", "gone to bed", "going to bed"),
        ("study", "studies", "studied", "studied", "studying"),
        ("play", "plays", "played", "played", "playing"),
        ("chat", "chats", "chatted", "chatted", "chatting"),
        ("write", "writes", "wrote", "written", "writing"),
        ("wash", "washes", "washed", "washed", "washing"),
        ("be late", "is late", "was late", "been late", "being late"),
        ("have", "has", "had", "had", "having"),
        ("see", "sees", "saw", "seen", "seeing"),
    ],
)
def test_verbs(verb, third, past, participle, gerund):
    inflected = (english.third, english.past, english.participle, english.gerund)
    assert [inflect(verb) for inflect in inflected] == [third, past, participle, gerund]


@pytest.mark.parametrize(
    ("noun", "many"),
    [("cat", "cats"), ("child", "children"), ("watch", "watches"), ("city", "cities"),
     ("boy", "boys"), ("ice cream", "ice creams"), ("old person", "old people"), ("fish", "fish")],
)  # fmt: skip
def test_plurals(noun, many):
    assert english.plural(noun) == many


@pytest.mark.parametrize(
    ("adjective", "more"),
    [("tall", "taller"), ("hot", "hotter"), ("happy", "happier"), ("good", "better"),
     ("cheap", "cheaper"), ("nice", "nicer"), ("tired", "more tired")],
)  # fmt: skip
def test_comparatives(adjective, more):
    assert english.comparative(adjective) == more


@pytest.mark.parametrize(
    ("phrase", "full"), [("apple", "an apple"), ("cat", "a cat"), ("old cat", "an old cat"),
                         ("hour", "an hour"), ("useful book", "a useful book")]
)  # fmt: skip
def test_articles(phrase, full):
    assert english.article(phrase) == full


def test_agreement_and_contraction():
    me, mom = Subject("I", pronoun=True), Subject("my mom")
    assert (me.with_be(), me.with_be(negative=True)) == ("I'm", "I'm not")
    assert (mom.with_be(), mom.with_be(negative=True)) == ("my mom is", "my mom isn't")
    assert (me.with_will(), mom.with_will(), me.with_will(True)) == (
        "I'll",
        "my mom will",
        "I won't",
    )
    assert (me.be("past"), Subject("they").be("past")) == ("was", "were")
    assert (me.with_have(), mom.with_have(True)) == ("I've", "my mom hasn't")
    assert (me.present("like"), mom.present("like"), me.do(), mom.do()) == (
        "like",
        "likes",
        "do",
        "does",
    )
