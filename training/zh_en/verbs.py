"""Verb phrases and the predicates made of them: acting, wishing, being able, doing, done."""

from __future__ import annotations

from dataclasses import dataclass

from training.zh_en import nouns
from training.zh_en.english import gerund, participle
from training.zh_en.lexicon import Chooser
from training.zh_en.predicates import Predicate, Tense


@dataclass(frozen=True)
class VerbPhrase:
    """A verb and what follows it; `habit` is the English of doing it in general."""

    verb: str
    rest: str
    en: str
    habit: str

    @property
    def zh(self) -> str:
        """Return the words of verb and object."""
        return f"{self.verb} {self.rest}".strip()


def verb_phrase(c: Chooser, simple: bool = False) -> VerbPhrase:
    """Return read a book, eat two apples, go to the park, ...; `simple` adds no adverbial."""
    make = c.weighted(
        [
            (38, _fixed),
            (32, consuming),
            (12, _going),
            (8, _feeling_for),
            (4, _sport),
            (6, _for_someone),
        ]
    )
    phrase = make(c)
    if simple or c.chance(0.75) or make in (_going, _for_someone, _feeling_for):
        return phrase
    return _accompanied(c, phrase)


def _fixed(c: Chooser) -> VerbPhrase:
    entry = c.entry("vp")
    verb, _, rest = entry.zh.partition(" ")
    return VerbPhrase(verb, rest, entry.en, entry.note(0) or entry.en)


def consuming(c: Chooser) -> VerbPhrase:
    """Return a verb with an object of the class it takes."""
    verb = c.entry("consume")
    classes = verb.note(0)
    if classes in ("language", "subject"):
        entry = c.entry(classes)
        return VerbPhrase(verb.zh, entry.zh, f"{verb.en} {entry.en}", f"{verb.en} {entry.en}")
    if classes in ("food", "drink", "thing", "animal"):
        noun = nouns.thing(c, classes)
    else:
        choice = c.entry(classes)
        found = c.by_zh.get(("thing", choice.zh)) or c.by_zh.get(("food", choice.zh))
        assert found is not None or choice.notes, f"{choice.zh} is neither a thing nor food"
        noun = (
            nouns.thing(c, "thing" if ("thing", choice.zh) in c.by_zh else "food", found)
            if found
            else nouns.Noun(choice.zh, choice.en)
        )
    said = c.fixed.get(verb.zh + noun.zh.replace(" ", ""))
    if said is not None:  # 看书 is "read a book" however it was made
        return VerbPhrase(verb.zh, noun.zh, said.en, said.note(0) or said.en)
    en = f"{verb.en} {noun.en}"
    return VerbPhrase(verb.zh, noun.zh, en, en)


def _going(c: Chooser) -> VerbPhrase:
    goal, how = nouns.goal(c), c.entry("transport")
    if c.chance(0.25):
        return VerbPhrase(
            how.zh, f"去 {goal.zh}", f"go {goal.en} {how.en}", f"go {goal.en} {how.en}"
        )
    return VerbPhrase("去", goal.zh, "go " + goal.en, "go " + goal.en)


def _feeling_for(c: Chooser) -> VerbPhrase:
    verb, who = c.entry("state"), c.pick(nouns.pronoun, nouns.relative)(c)
    en = f"{verb.en} {who.object}"
    return VerbPhrase(verb.zh, who.zh, en, en)


def _sport(c: Chooser) -> VerbPhrase:
    entry = c.entry("sport")
    verb, _, rest = entry.zh.partition(" ")
    return VerbPhrase(verb, rest, entry.en, entry.en)


def _for_someone(c: Chooser) -> VerbPhrase:
    who = c.pick(nouns.pronoun, nouns.relative)(c)
    noun = nouns.thing(c, "thing")
    zh, en = c.weighted(
        [
            (3, (f"给 {who.zh} 打 电话", f"call {who.object}")),
            (3, (f"给 {who.zh} 买 {noun.zh}", f"buy {noun.en} for {who.object}")),
            (2, (f"给 {who.zh} 做 饭", f"cook for {who.object}")),
            (2, (f"给 {who.zh} 写 信", f"write to {who.object}")),
            (2, (f"跟 {who.zh} 说话", f"talk to {who.object}")),
            (2, (f"和 {who.zh} 聊天", f"chat with {who.object}")),
            (2, (f"送 给 {who.zh} {noun.zh}", f"give {who.object} {noun.en}")),
            (1, (f"和 {who.zh} 见面", f"meet {who.object}")),
            (1, (f"跟 {who.zh} 见面", f"meet {who.object}")),
        ]
    )
    return VerbPhrase("", zh, en, en)


def _accompanied(c: Chooser, phrase: VerbPhrase) -> VerbPhrase:
    if c.chance(0.5) and phrase.verb not in ("去", "来", "出去", "回家"):
        spot = nouns.spot(c)
        lead, tail = f"在 {spot.zh}", spot.en
    else:
        who = c.pick(nouns.pronoun, nouns.relative)(c)
        lead = c.pick(f"和 {who.zh} 一起", f"跟 {who.zh} 一起", f"跟 {who.zh}")
        tail = "with " + who.object
    return VerbPhrase(
        f"{lead} {phrase.verb}".strip(),
        phrase.rest,
        f"{phrase.en} {tail}",
        f"{phrase.habit} {tail}",
    )


def acting(c: Chooser, tense: Tense) -> Predicate:
    """Return a verb phrase as a predicate of the tense."""
    phrase = verb_phrase(c)
    zh = phrase.zh
    if tense == "past":
        serial = phrase.verb.split(" ")[-1] in ("去", "来", "") or phrase.rest.startswith("去")
        done = f"{zh} 了"
        if phrase.rest and not serial and c.chance(0.5):
            done = f"{phrase.verb} 了 {phrase.rest}"
        ask = c.pick(f"{done} 吗", f"{zh} 了 没有")
        no = "没" if ("owned", zh) in c.by_zh else c.pick("没", "没有")
        return Predicate("do", phrase.en, done, f"{no} {zh}", ask)
    if tense == "future":
        will = c.pick("会", "会", "")
        return Predicate("do", phrase.en, f"{will} {zh}".strip(), f"不 会 {zh}", f"会 {zh} 吗")
    return Predicate("do", phrase.habit, zh, f"不 {zh}", f"{zh} 吗")


_WISHES = (
    *2 * (("想", "want to"),),
    ("要", "want to"),
    ("想要", "want to"),
    ("喜欢", "like to"),
    ("需要", "need to"),
    ("打算", "plan to"),
    ("希望", "hope to"),
)


def wishing(c: Chooser) -> Predicate:
    """Return want to eat, like to swim, plan to travel, need to rest, ..."""
    phrase, (zh, en) = verb_phrase(c), c.among(_WISHES)
    while phrase.verb == zh:  # not 喜欢喜欢
        phrase = verb_phrase(c)
    text = f"{en} {phrase.habit if en == 'like to' else phrase.en}"
    if zh == "要" and phrase.verb == "去":  # 要去 announces, it does not wish
        rest = gerund(phrase.en)
        return Predicate(
            "be", rest, f"要 {phrase.zh}", f"不 去 {phrase.rest}", f"要 {phrase.zh} 吗"
        )
    no = "不 想" if zh in ("要", "想要") else f"不 {zh}"
    ask = c.pick(f"{zh} {phrase.zh} 吗", f"{zh} {phrase.zh} 吗", f"{zh} 不 {zh} {phrase.zh}")
    if len(zh) > 1:
        ask = f"{zh} {phrase.zh} 吗"
    return Predicate("do", text, f"{zh} {phrase.zh}", f"{no} {phrase.zh}", ask)


def able(c: Chooser) -> Predicate:
    """Return can swim, can speak Chinese, should rest, ..."""
    roll = c.random.random()
    if roll < 0.4:
        skill = c.entry("skill") if c.chance(0.6) else c.entry("sport")
        zh, en, modal = skill.zh, skill.en, "会"
        if c.chance(0.35):
            tongue = c.entry("language")
            zh, en = f"说 {tongue.zh}", f"speak {tongue.en}"
        ask = c.pick(f"会 {zh} 吗", f"会 {zh} 吗", f"会 不 会 {zh}")
        return Predicate("can", en, f"会 {zh}", f"不 会 {zh}", ask)
    phrase = verb_phrase(c)
    if roll < 0.75:
        modal = c.pick("能", "可以", "能")
        ask = c.pick(f"{modal} {phrase.zh} 吗", f"能 不 能 {phrase.zh}")
        return Predicate("can", phrase.en, f"{modal} {phrase.zh}", f"不 能 {phrase.zh}", ask)
    return Predicate(
        "should", phrase.en, f"应该 {phrase.zh}", f"不 应该 {phrase.zh}", f"应该 {phrase.zh} 吗"
    )


def doing(c: Chooser) -> Predicate:
    """Return is reading a book, is having dinner, ..."""
    phrase = verb_phrase(c)
    while phrase.verb in ("去", "来", "") or ("state", phrase.verb) in c.by_zh:
        phrase = verb_phrase(c)
    core = f"{c.pick('在', '正在', '正在')} {phrase.zh}"
    if phrase.verb.startswith("在 "):  # 在家看书 is a habit, 正在家看书 is going on
        core = "正" + phrase.zh
    no = "没 " + core.removeprefix("正")
    return Predicate("be", gerund(phrase.en), c.pick(core, f"{core} 呢"), no, f"{core} 吗")


def having_done(c: Chooser) -> Predicate:
    """Return have been to Beijing, have eaten dumplings, have already left, ..."""
    if c.chance(0.3):
        goal = nouns.goal(c)
        zh, en = f"去 过 {goal.zh}", "been " + goal.en
        return Predicate("have", en, zh, f"没 {zh}", f"{zh} 吗")
    phrase = verb_phrase(c, simple=True)
    while phrase.verb in ("去", "来", ""):
        phrase = verb_phrase(c, simple=True)
    en = participle(phrase.en)
    if c.chance(0.4):
        return Predicate(
            "have",
            en,
            f"{phrase.verb} 过 {phrase.rest}".strip(),
            f"没 {phrase.verb} 过 {phrase.rest}".strip(),
            f"{phrase.verb} 过 {phrase.rest} 吗".replace("  ", " "),
        )
    return Predicate(
        "have",
        "already " + en,
        f"已经 {phrase.zh} 了",
        f"还 没 {phrase.zh}",
        f"已经 {phrase.zh} 了 吗",
    )
