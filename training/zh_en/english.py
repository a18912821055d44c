"""English inflection for the corpus: regular rules and the irregular words of the lexicon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# base: past, participle
_VERBS = {
    row.split()[0]: tuple(row.split()[1:])
    for row in """be was been
become became become|begin began begun|bring brought brought|buy bought bought|come came come
do did done|draw drew drawn|drink drank drunk|drive drove driven|eat ate eaten|feel felt felt
find found found|forget forgot forgotten|get got got|give gave given|go went gone|have had had
hear heard heard|keep kept kept|know knew known|lose lost lost|make made made|meet met met
pay paid paid|read read read|ride rode ridden|run ran run|say said said|see saw seen
sell sold sold|send sent sent|sing sang sung|sit sat sat|sleep slept slept|speak spoke spoken
spend spent spent|stand stood stood|swim swam swum|take took taken|teach taught taught
tell told told|think thought thought|understand understood understood|wear wore worn
write wrote written|leave left left|plan planned planned|chat chatted chatted
get-up got-up got-up""".replace("\n", "|").split("|")
}
_PLURALS = {
    "child": "children",
    "man": "men",
    "woman": "women",
    "person": "people",
    "old person": "old people",
    "knife": "knives",
    "tooth": "teeth",
    "foot": "feet",
    "fish": "fish",
    "clothes": "clothes",
    "shoes": "shoes",
    "homework": "homework",
    "pants": "pants",
    "glasses": "glasses",
    "police officer": "police officers",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "photo": "photos",
    "piano": "pianos",
}
_COMPARATIVES = {"good": "better", "bad": "worse", "far": "farther"}
_LONG_ADJECTIVES = frozenset(
    (
        "beautiful", "expensive", "interesting", "delicious", "difficult", "important", "special",
        "useful", "dangerous", "convenient", "comfortable", "famous", "serious", "excited",
        "tired", "worried", "nervous", "afraid", "satisfied", "disappointed", "surprised",
        "anxious", "bored", "careful", "humid", "hard-working", "proud", "moved", "honest",
        "terrible", "handsome", "polite",
    )
)  # fmt: skip
_DOUBLED = frozenset(
    ["run", "swim", "sit", "get", "chat", "plan", "stop", "shop", "forget", "begin"]
)
_VOWEL_SOUND = frozenset(["hour", "honest"])


def first(phrase: str, inflect: Callable[[str], str]) -> str:
    """Return the phrase with its first word inflected: "get up" -> "gets up"."""
    word, space, rest = phrase.partition(" ")
    return inflect(word) + space + rest


def third(phrase: str) -> str:
    """Return the third person singular of a verb phrase."""
    return first(phrase, _third)


def past(phrase: str) -> str:
    """Return the past of a verb phrase."""
    return first(phrase, lambda verb: _VERBS[verb][0] if verb in _VERBS else _regular_past(verb))


def participle(phrase: str) -> str:
    """Return the past participle of a verb phrase."""
    return first(phrase, lambda verb: _VERBS[verb][1] if verb in _VERBS else _regular_past(verb))


def gerund(phrase: str) -> str:
    """Return the -ing form of a verb phrase."""
    return first(phrase, _gerund)


def plural(noun: str) -> str:
    """Return the plural of a noun; of compound nouns the last word changes."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    head, space, last = noun.rpartition(" ")
    if last.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if last.endswith("y") and last[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return head + space + _PLURALS.get(last, last + "s")


def comparative(adjective: str) -> str:
    """Return the comparative: taller, happier, more beautiful."""
    if adjective in _COMPARATIVES:
        return _COMPARATIVES[adjective]
    if adjective in _LONG_ADJECTIVES:
        return "more " + adjective
    if adjective.endswith("y"):
        return adjective[:-1] + "ier"
    if adjective.endswith("e"):
        return adjective + "r"
    if len(adjective) <= 4 and adjective[-1] in "tgnd" and adjective[-2] in "aeiou":
        doubled = adjective[-3] not in "aeiou"
        return adjective + (adjective[-1] if doubled else "") + "er"
    return adjective + "er"


def article(phrase: str) -> str:
    """Return the phrase after "a" or "an" as its first sound asks."""
    word = phrase.split()[0]
    vowel = word[0].lower() in "aeiou" and not word.startswith(("uni", "use", "Euro"))
    return ("an " if vowel or word in _VOWEL_SOUND else "a ") + phrase


def _third(verb: str) -> str:
    if verb in ("be", "have"):
        return {"be": "is", "have": "has"}[verb]
    if verb.endswith(("s", "sh", "ch", "x", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def _regular_past(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    return verb + (verb[-1] if verb in _DOUBLED else "") + "ed"


def _gerund(verb: str) -> str:
    if verb.endswith("e") and verb not in ("be", "see"):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if verb in _DOUBLED else "") + "ing"


@dataclass(frozen=True)
class Subject:
    """Who or what a sentence is about, ready for agreement.

    Attributes:
        text: "I", "my mom", "the children".
        pronoun: Whether forms of be, have and will contract with it.
        plural: Whether verbs take the plain form.
    """

    text: str
    pronoun: bool = False
    plural: bool = False

    @property
    def bare(self) -> bool:
        """Return whether present verbs stay bare, as after I, you, we, they."""
        return self.plural or self.text in ("I", "you", "we", "they")

    def be(self, tense: str = "present") -> str:
        """Return am, is, are, was or were."""
        if tense == "past":
            return "were" if self.bare and self.text != "I" else "was"
        return "am" if self.text == "I" else "are" if self.bare else "is"

    def with_be(self, negative: bool = False) -> str:
        """Return I'm, he's not, my mom is, my mom isn't, ..."""
        if self.pronoun:
            ending = {"am": "'m", "are": "'re", "is": "'s"}[self.be()]
            return self.text + ending + (" not" if negative else "")
        return f"{self.text} {self.be()}" + ("n't" if negative else "")

    def with_was(self, negative: bool = False) -> str:
        """Return I was, they weren't, ..."""
        return f"{self.text} {self.be('past')}" + ("n't" if negative else "")

    def with_will(self, negative: bool = False) -> str:
        """Return I'll, my mom will, he won't, ..."""
        if negative:
            return self.text + " won't"
        return self.text + ("'ll" if self.pronoun else " will")

    def with_have(self, negative: bool = False) -> str:
        """Return I've, my mom has, he hasn't, ... of the perfect."""
        have = "have" if self.bare else "has"
        if negative:
            return f"{self.text} {have}n't"
        if self.pronoun:
            return self.text + ("'ve" if self.bare else "'s")
        return f"{self.text} {have}"

    def do(self) -> str:
        """Return do or does."""
        return "do" if self.bare else "does"

    def present(self, phrase: str) -> str:
        """Return the present of a verb phrase: like, likes."""
        return phrase if self.bare else third(phrase)
