"""Noun phrases: people, things, places and their quantities, in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from training.zh_en.english import Subject, article, plural
from training.zh_en.lexicon import Chooser, Entry

_OBJECT_CASE = {"I": "me", "he": "him", "she": "her", "we": "us", "they": "them"}
_OUNCES = ("u", "m", "c", "p", "n")  # uncountable, meal, plural only, plural food, no plural


@dataclass(frozen=True)
class Noun:
    """A noun phrase: Chinese words parted by spaces, and English with its number."""

    zh: str
    en: str
    plural: bool = False

    @property
    def subject(self) -> Subject:
        """Return it as the subject of a sentence."""
        return Subject(self.en, plural=self.plural)


@dataclass(frozen=True)
class Person:
    """A person as subject, and in the object case."""

    zh: str
    subject: Subject
    object: str


def pronoun(c: Chooser) -> Person:
    """Return I, you, he, ..."""
    entry = c.weighted(
        [(8 if e.zh == "我" else 4 if e.zh in "你他她" else 2, e) for e in c.lexicon["pronoun"]]
    )
    subject = Subject(entry.en, pronoun=True)
    return Person(entry.zh, subject, _OBJECT_CASE.get(entry.en, entry.en))


def relative(c: Chooser) -> Person:
    """Return my mom, his friend, her older brother, ...; a bare 妈妈 is the speaker's own."""
    entry = c.entry(c.pick("kin", "kin", "mate"))
    many = entry.note(0) == "plural"
    text = entry.en
    kin = (  # 朋友 alone is not "my friend", 妈妈 alone is "my mom"
        "kin",
        entry.zh,
    ) in c.by_zh
    if kin and c.chance(0.25):
        return _named(entry.zh, f"my {text}", many)
    owner = c.entry("pronoun") if c.chance(0.9) else c.entry("name")
    joint = c.pick("", "的") if kin and owner.notes else "的"
    whose = owner.note(0) or owner.en + "'s"
    return _named(" ".join(filter(None, (owner.zh, joint, entry.zh))), f"{whose} {text}", many)


def person(c: Chooser) -> Person:
    """Return anyone: pronouns most often."""
    make = c.weighted([(55, pronoun), (25, relative), (8, _by_name), (7, _definite), (5, _pair)])
    return make(c)


def _by_name(c: Chooser) -> Person:
    entry = c.entry("name")
    return _named(entry.zh, entry.en)


def _definite(c: Chooser) -> Person:
    if c.chance(0.3):
        zh, en = c.pick(
            ("孩子 们", "the children"),
            ("学生 们", "the students"),
            ("老师 们", "the teachers"),
            ("朋友 们", "friends"),
        )
        return _named(zh, en, True)
    if c.chance(0.4):
        entry = c.entry("job")
        return _named(entry.zh, "the " + entry.en)
    entry, (zh, en) = c.entry("person"), c.pick(("这个", "this"), ("那个", "that"))
    return _named(f"{zh} {entry.zh}", f"{en} {entry.en}")


def _pair(c: Chooser) -> Person:
    entry = c.entry("pronoun") if c.chance(0.3) else c.entry("kin")
    other = c.entry("mate")
    if entry.notes and entry.notes[0] != "plural":
        zh, en = f"{entry.zh} 和 {entry.zh} 的 {other.zh}", entry.en
        whose = entry.note(0)
        if entry.en == "I":
            return Person(
                zh, Subject(f"{whose} {other.en} and I", plural=True), f"me and {whose} {other.en}"
            )
        return _named(zh, f"{en} and {whose} {other.en}", True)
    name, second = c.entry("name"), c.entry("name")
    return _named(f"{name.zh} 和 {second.zh}", f"{name.en} and {second.en}", True)


def _named(zh: str, en: str, many: bool = False) -> Person:
    return Person(zh, Subject(en, plural=many), en)


def plain(entry: Entry) -> str:
    """Return the English of an entry meant in general: apples, bread, clothes."""
    kind = entry.note(1)
    return entry.en if kind in _OUNCES and kind != "p" else plural(entry.en)


def countable(entry: Entry) -> bool:
    """Return whether one can say "an apple" of the entry."""
    return entry.note(1) not in _OUNCES


def amount(c: Chooser, entry: Entry, classes: str) -> Noun:
    """Return the entry with a number: two apples, three cups of tea, a piece of bread."""
    number, measure = c.entry("number"), entry.note(0)
    one = number.zh == "一"
    if entry.note(1) == "m":
        return Noun(entry.zh, entry.en)
    if classes == "drink" or (classes == "food" and entry.note(2)):
        unit = entry.note(1) if classes == "drink" else entry.note(2)
        inner = entry.en if classes == "drink" else plain(entry)
        if measure == "些" or unit == "some":
            return Noun(f"一些 {entry.zh}", f"some {plain(entry) if classes == 'food' else inner}")
        text = article(f"{unit} of {inner}") if one else f"{number.en} {plural(unit)} of {inner}"
        return Noun(f"{number.zh} {measure} {entry.zh}", text, not one)
    if measure == "些" or not countable(entry):
        return Noun(f"一些 {entry.zh}", f"some {plain(entry)}", entry.note(1) == "c")
    if one:
        return Noun(f"一 {measure} {entry.zh}", article(entry.en))
    return Noun(f"{number.zh} {measure} {entry.zh}", f"{number.en} {plural(entry.en)}", True)


def thing(c: Chooser, classes: str, entry: Entry | None = None) -> Noun:
    """Return an object of a verb: general, counted, owned, pointed at or described."""
    if entry is None and c.chance(0.05):
        one, two = thing(c, classes, c.entry(classes)), thing(c, classes, c.entry(classes))
        return Noun(f"{one.zh} 和 {two.zh}", f"{one.en} and {two.en}", True)
    entry = entry or c.entry(classes)
    many = entry.note(1) in ("c", "p")
    form = c.weighted([(40, "plain"), (25, "amount"), (12, "owned"), (11, "this"), (12, "adj")])
    if entry.note(1) == "m" or form == "plain":
        text = entry.en if classes == "drink" else plain(entry)
        return Noun(entry.zh, text, classes != "drink" and (countable(entry) or many))
    if form == "amount":
        return amount(c, entry, classes)
    if form == "owned" and classes in ("thing", "animal"):
        return owned(c, entry)
    if form == "this" and classes in ("thing", "animal") and not many:
        return pointed(c, entry)
    if form == "adj" and classes in ("thing", "animal") and countable(entry):
        return described(c, entry)
    return amount(c, entry, classes)


def owned(c: Chooser, entry: Entry) -> Noun:
    """Return my phone, his shoes, Anna's book."""
    owner = c.entry("pronoun") if c.chance(0.8) else c.entry("name")
    whose = owner.note(0) or owner.en + "'s"
    return Noun(f"{owner.zh} 的 {entry.zh}", f"{whose} {entry.en}", entry.note(1) == "c")


def pointed(c: Chooser, entry: Entry) -> Noun:
    """Return this book, that dog, these books."""
    measure = entry.note(0)
    zh, en, ens = c.pick(("这", "this", "these"), ("那", "that", "those"))
    many = entry.note(1) == "c"
    if c.chance(0.15) and countable(entry):
        return Noun(f"{zh}些 {entry.zh}", f"{ens} {plural(entry.en)}", True)
    text = f"{ens} {entry.en}" if many else f"{en} {entry.en}"
    word = zh + "个" if measure == "个" or c.chance(0.1) else f"{zh} {measure}"
    return Noun(f"{word} {entry.zh}", text, many)


def described(c: Chooser, entry: Entry) -> Noun:
    """Return a new phone, a red car, an interesting book."""
    adjective = c.entry(c.pick("quality", "color"))
    joint = "的" if len(adjective.zh) > 1 or c.chance(0.5) else ""
    zh = " ".join(filter(None, ("一", entry.note(0), adjective.zh, joint, entry.zh)))
    return Noun(zh, article(f"{adjective.en} {entry.en}"))


def spot(c: Chooser) -> Noun:
    """Return where something is: in the park, at school, in Beijing, at home, here."""
    roll = c.random.random()
    if roll < 0.15:
        return Noun("家" if c.chance(0.6) else "家 里", "at home")
    if roll < 0.35:
        city = c.entry("city")
        return Noun(city.zh, "in " + city.en)
    if roll < 0.42:
        return c.pick(Noun("这里", "here"), Noun("那里", "there"))
    if roll < 0.47:
        nation = c.entry("nation")
        return Noun(nation.zh, "in " + nation.en)
    place = c.entry(c.pick("place", "place", "room"))
    inside = " 里" if place.note(0) == "in" and c.chance(0.3) else ""
    return Noun(place.zh + inside, f"{place.note(0)} {place.en}")


def goal(c: Chooser) -> Noun:
    """Return where someone goes, English with its "to": to the park, to Beijing."""
    roll = c.random.random()
    if roll < 0.3:
        city = c.entry(c.pick("city", "nation"))
        return Noun(city.zh, "to " + city.en)
    if roll < 0.36:
        return c.pick(Noun("那里", "there"), Noun("那儿", "there"))
    if roll < 0.42:
        return Noun("朋友 家", "to a friend's house")
    place = c.entry("place")
    return Noun(place.zh, "to " + place.en)
