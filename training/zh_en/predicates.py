"""Predicates: what is said of a subject, in each tense, affirmed, denied or asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from training.zh_en import nouns
from training.zh_en.english import Subject, article, past, plural
from training.zh_en.lexicon import Chooser

Tense = Literal["present", "past", "future"]


Form = Literal["yes", "no", "ask"]


@dataclass(frozen=True)
class Predicate:
    """Chinese for each form, and English with the kind of verb that governs it.

    Attributes:
        kind: be (en follows am/is), do (en is a base verb), have (en is a participle),
            can or should (en is a base verb).
    """

    kind: Literal["be", "do", "have", "can", "should"]
    en: str
    yes: str
    no: str
    ask: str

    @classmethod
    def regular(cls, kind: Literal["be", "do"], en: str, zh: str) -> Predicate:
        """Return the predicate that 不 denies and 吗 asks."""
        return cls(kind, en, zh, f"不 {zh}", f"{zh} 吗")

    def zh(self, form: Form) -> str:
        """Return the Chinese of the form."""
        return {"yes": self.yes, "no": self.no, "ask": self.ask}[form]


def english(
    subject: Subject, predicate: Predicate, tense: Tense, form: Form, adverb: str = ""
) -> str:
    """Return the English clause in mid-sentence case, without time or punctuation.

    An adverb ("all") stands before a full verb and after be, have, will and can.
    """
    if form == "ask":
        return question(subject, predicate, tense)
    negative, en = form == "no", predicate.en
    if adverb:
        if predicate.kind == "do" and tense != "future":
            subject = replace(subject, text=f"{subject.text} {adverb}", plural=True)
        elif tense == "future":
            return f"{subject.with_will()} {adverb} {'be ' if predicate.kind == 'be' else ''}{en}"
        else:
            en = f"{adverb} {en}"
    if negative:
        en = f" {en}".replace(" some ", " any ").strip()
    if predicate.kind == "have" and negative and en.startswith("already "):
        return f"{subject.with_have(True)} {en.removeprefix('already ')} yet"
    if predicate.kind == "have":
        return f"{subject.with_have(negative)} {en}"
    if predicate.kind in ("can", "should"):
        auxiliary = (
            predicate.kind if not negative else {"can": "can't"}.get(predicate.kind, "shouldn't")
        )
        return f"{subject.text} {auxiliary} {en}"
    if tense == "future":
        return f"{subject.with_will(negative)} {'be ' if predicate.kind == 'be' else ''}{en}"
    if predicate.kind == "be":
        lead = subject.with_was(negative) if tense == "past" else subject.with_be(negative)
        return f"{lead} {en}"
    if negative:
        return f"{subject.text} {'did' if tense == 'past' else subject.do()}n't {en}"
    return f"{subject.text} {past(en) if tense == 'past' else subject.present(en)}"


def question(subject: Subject, predicate: Predicate, tense: Tense) -> str:
    """Return the yes-or-no question in mid-sentence case."""
    text, en = subject.text, predicate.en
    if predicate.kind == "have":
        return f"{'have' if subject.bare else 'has'} {text} {en}"
    if predicate.kind in ("can", "should"):
        return f"{predicate.kind} {text} {en}"
    if tense == "future":
        return f"will {text} {'be ' if predicate.kind == 'be' else ''}{en}"
    if predicate.kind == "be":
        return f"{subject.be(tense)} {text} {en}"
    return f"{'did' if tense == 'past' else subject.do()} {text} {en}"


def adjective(c: Chooser, classes: str, tense: Tense) -> Predicate:
    """Return happy, very tired, too expensive, a little cold, ..."""
    entry = c.entry(classes)
    zh, en = entry.zh, entry.en
    degree, word, after = c.weighted(
        [
            (60, ("很", "", "")),
            (8, ("非常", "very ", "")),
            (8, ("有点", "a little ", "")),
            (4, ("有点儿", "a little ", "")),
            (7, ("太", "too ", " 了")),
            (5, ("真", "really ", "")),
            (3, ("特别", "really ", "")),
            (3, ("比较", "quite ", "")),
            (3, ("十分", "very ", "")),
        ]
    )
    if tense == "future":
        return Predicate("be", en, f"会 很 {zh}", f"不 会 {zh}", f"会 {zh} 吗")
    ask = c.pick(f"{zh} 吗", f"{zh} 吗", f"{zh} 不 {zh}")
    return Predicate("be", word + en, f"{degree} {zh}{after}", f"不 {zh}", ask)


def for_form(predicate: Predicate, form: Form) -> Predicate:
    """Return the predicate with its degree dropped where only the plain form has one."""
    if form == "yes" or predicate.kind != "be":
        return predicate
    for word in ("very ", "a little ", "too ", "really ", "quite "):
        if predicate.en.startswith(word):
            return Predicate("be", predicate.en.removeprefix(word), *_zh(predicate))
    return predicate


def _zh(predicate: Predicate) -> tuple[str, str, str]:
    return predicate.yes, predicate.no, predicate.ask


def identity(c: Chooser, subject: Subject) -> Predicate:
    """Return a teacher, Chinese, my friend, ..., in the subject's number."""
    roll = c.random.random()
    if roll < 0.55:
        job = c.entry("job")
        zh = job.zh if c.chance(0.6) or subject.plural else f"一 个 {job.zh}"
        en = plural(job.en) if _many(subject) else article(job.en)
    elif roll < 0.8:
        nation = c.entry("nation")
        zh, en = nation.zh + " 人", nation.note(0)
    else:
        owner, mate = c.entry("pronoun"), c.entry("mate")
        zh = f"{owner.zh} 的 {mate.zh}"
        en = f"{owner.note(0)} {plural(mate.en) if _many(subject) else mate.en}"
    ask = c.pick(f"是 {zh} 吗", f"是 {zh} 吗", f"是 不 是 {zh}")
    return Predicate("be", en, f"是 {zh}", f"不 是 {zh}", ask)


def _many(subject: Subject) -> bool:
    return subject.plural or subject.text in ("we", "they")


def being_somewhere(c: Chooser) -> Predicate:
    """Return at home, in the park, ..."""
    spot = nouns.spot(c)
    return Predicate("be", spot.en, f"在 {spot.zh}", f"不 在 {spot.zh}", f"在 {spot.zh} 吗")


def having(c: Chooser) -> Predicate:
    """Return have two apples, have time, have an older brother, ..."""
    roll = c.random.random()
    if roll < 0.3:
        owned = c.entry("owned")
        yes, en = owned.zh, owned.en
    elif roll < 0.65:
        number, kin = c.entry("number"), c.entry("kin")
        if kin.note(0) == "plural" or kin.en == "family" or number.zh not in "一两三四":
            number, kin = c.by_zh["number", "一"], c.by_zh["kin", "哥哥"]
        one = number.zh == "一"
        yes = f"{number.zh} 个 {kin.zh}"
        en = article(kin.en) if one else f"{number.en} {plural(kin.en)}"
        if c.chance(0.3):
            more, word = (
                c.entry("number"),
                c.by_zh["kin", c.pick("姐姐", "弟弟", "妹妹", "儿子", "女儿")],
            )
            yes += f" 和 {more.zh} 个 {word.zh}"
            en += " and " + (
                article(word.en) if more.zh == "一" else f"{more.en} {plural(word.en)}"
            )
    else:
        noun = nouns.thing(c, c.pick("thing", "animal", "food"))
        same = c.by_zh.get(("owned", noun.zh))
        yes, en = noun.zh, same.en if same else noun.en
    ask = c.pick(f"有 {yes} 吗", f"有 {yes} 吗", f"有 没有 {yes}")
    return Predicate("do", "have " + en, f"有 {yes}", f"没有 {yes}", ask)
