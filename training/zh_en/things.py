"""Everyday patterns of things: whose, where, how they compare, what is wanted."""

from __future__ import annotations

from training.zh_en import clauses, nouns, predicates
from training.zh_en.clauses import Clause
from training.zh_en.english import Subject, article, comparative
from training.zh_en.lexicon import Chooser, Entry


def introducing(c: Chooser) -> Clause:
    """Return my name is Tom, this is my older brother, that isn't his car."""
    roll = c.random.random()
    if roll < 0.25:
        who, name = nouns.pronoun(c), c.entry("name")
        if who.zh in ("你们", "我们", "他们", "她们"):
            who = nouns.Person("我", Subject("I", pronoun=True), "me")
        whose = {"I": "my", "you": "your", "he": "his", "she": "her"}[who.subject.text]
        if c.chance(0.2):
            return Clause(f"{who.zh} 叫 什么", f"what is {whose} name", True)
        zh = c.pick(
            f"{who.zh} 叫 {name.zh}",
            f"{who.zh} 的 名字 是 {name.zh}",
            f"{who.zh} 的 名字 叫 {name.zh}",
        )
        return Clause(zh, f"{whose} name is {name.en}")
    if roll < 0.3:
        mate = nouns.relative(c)
        return Clause(f"{mate.zh} 叫 什么 名字", f"what is {_possessive(mate)} name", True)
    form: predicates.Form = c.weighted([(60, "yes"), (20, "no"), (20, "ask")])
    zh, en = c.pick(("这", "this"), ("那", "that"))
    if c.chance(0.4):
        who = nouns.relative(c)
        while who.subject.plural:
            who = nouns.relative(c)
        what_zh, what_en = who.zh, who.subject.text
    else:
        noun = nouns.owned(c, c.entry("thing"))
        while noun.plural:
            noun = nouns.owned(c, c.entry("thing"))
        what_zh, what_en = noun.zh, noun.en
    if form == "ask":
        return Clause(f"{zh} 是 {what_zh} 吗", f"is {en} {what_en}", True)
    verb = "isn't" if form == "no" else "is"
    return Clause(f"{zh} {'不 ' if form == 'no' else ''}是 {what_zh}", f"{en} {verb} {what_en}")


def _possessive(who: nouns.Person) -> str:
    return who.subject.text + ("'" if who.subject.text.endswith("s") else "'s")


def owner(c: Chooser) -> Clause:
    """Return this book is mine, that phone is his, whose is it aside."""
    mine = {"I": "mine", "you": "yours", "he": "his", "she": "hers", "we": "ours", "they": "theirs"}
    who, noun = c.entry("pronoun"), nouns.pointed(c, c.entry("thing"))
    be = "are" if noun.plural else "is"
    if c.chance(0.2):
        return Clause(f"{noun.zh} 不 是 {who.zh} 的", f"{noun.en} {be}n't {mine[who.en]}")
    if c.chance(0.2):
        return Clause(f"{noun.zh} 是 {who.zh} 的 吗", f"{be} {noun.en} {mine[who.en]}", True)
    return Clause(f"{noun.zh} 是 {who.zh} 的", f"{noun.en} {be} {mine[who.en]}")


def located(c: Chooser) -> Clause:
    """Return the bank is next to the hospital, my phone is on the table, there is a cat here."""
    if c.chance(0.4):
        place, other, side = c.entry("place"), c.entry("place"), c.entry("position")
        one, two = (("the school" if e.zh == "学校" else e.en) for e in (place, other))
        if c.chance(0.25):
            return Clause(
                f"{place.zh} 在 {other.zh} {side.zh} 吗", f"is {one} {side.en} {two}", True
            )
        return Clause(
            f"{place.zh} {c.pick('在', '就 在')} {other.zh} 的 {side.zh}".replace(
                " 的 ", c.pick(" 的 ", " ")
            ),
            f"{one} is {side.en} {two}",
        )
    return _placed(c)


def _placed(c: Chooser) -> Clause:
    """Return my phone is on the table, there are two cats in the room."""
    surface, where = c.entry("surface"), c.entry("inside")
    if where.zh == "里" and surface.zh not in ("箱子", "包", "冰箱", "车"):
        where = c.by_zh["inside", "上"]
    zh, en = f"{surface.zh} {where.zh}", f"{where.en} the {surface.en}"
    if c.chance(0.3):
        room = c.entry("room")
        zh, en = c.pick(room.zh, room.zh + " 里"), f"{room.note(0)} {room.en}"
    entry = c.entry(c.pick("thing", "thing", "animal", "food"))
    if c.chance(0.5):
        noun = nouns.owned(c, c.entry("thing"))
        form: predicates.Form = c.weighted([(60, "yes"), (20, "no"), (20, "ask")])
        act = predicates.Predicate.regular("be", en, f"在 {zh}")
        return clauses.said(noun.zh, noun.subject, act, form)
    noun = nouns.amount(c, entry, "food" if entry in c.lexicon["food"] else "thing")
    be = "are" if noun.plural else "is"
    if c.chance(0.2):
        several = nouns.plain(entry)
        many = several != entry.en or noun.plural
        return Clause(
            f"{zh} 没有 {entry.zh}", f"there {'aren' if many else 'isn'}'t any {several} {en}"
        )
    if c.chance(0.2):
        return Clause(f"{zh} 有 {noun.zh} 吗", f"{be} there {noun.en} {en}", True)
    return Clause(f"{zh} 有 {noun.zh}", f"there {be} {noun.en} {en}")


def compared(c: Chooser) -> Clause:
    """Return she's taller than me, this book isn't as expensive as that one, he's the tallest."""
    who, other = nouns.person(c), c.pick(nouns.pronoun, nouns.relative)(c)
    tone = c.entry(c.pick("trait", "trait", "feeling"))
    roll = c.random.random()
    if roll < 0.55:
        more, much = c.weighted(
            [(70, ("", "")), (15, (" 得多", "much ")), (15, (" 一点", "a little "))]
        )
        if c.chance(0.15):
            who_be = predicates.question(
                who.subject, predicates.Predicate("be", "", "", "", ""), "present"
            )
            return Clause(
                f"{who.zh} 比 {other.zh} {tone.zh} 吗",
                f"{who_be.strip()} {comparative(tone.en)} than {other.object}",
                True,
            )
        return Clause(
            f"{who.zh} 比 {other.zh} {tone.zh}{more}",
            f"{who.subject.with_be()} {much}{comparative(tone.en)} than {other.object}",
        )
    if roll < 0.7:
        return Clause(
            f"{who.zh} 没有 {other.zh} {c.pick('', '那么 ')}{tone.zh}",
            f"{who.subject.with_be(True)} as {tone.en} as {other.object}",
        )
    if roll < 0.8:
        return Clause(
            f"{who.zh} {c.pick('和', '跟')} {other.zh} 一样 {tone.zh}",
            f"{who.subject.with_be()} as {tone.en} as {other.object}",
        )
    return _things_compared(c)


def _things_compared(c: Chooser) -> Clause:
    if c.chance(0.5):
        days = (
            ("今天", "today"),
            ("昨天", "yesterday"),
            ("明天", "tomorrow"),
            ("这里", "this place"),
            ("北京", "Beijing"),
            ("上海", "Shanghai"),
            ("夏天", "summer"),
            ("冬天", "winter"),
        )
        (zh, en), (other_zh, other_en) = c.random.sample(days, 2)
        if c.chance(0.6):
            city, town = c.entry("city"), c.entry("city")
            zh, en, other_zh, other_en = city.zh, city.en, town.zh, town.en
        tone = c.entry("weather")
        verb = "will be" if zh == "明天" else "was" if zh == "昨天" else "is"
        return Clause(
            f"{zh} 比 {other_zh} {tone.zh}", f"{en} {verb} {comparative(tone.en)} than {other_en}"
        )
    noun, other = nouns.pointed(c, c.entry("thing")), nouns.owned(c, c.entry("thing"))
    tone = c.entry("quality")
    return Clause(
        f"{noun.zh} 比 {other.zh} {tone.zh}",
        f"{noun.en} {noun.subject.be()} {comparative(tone.en)} than {other.en}",
    )


def wanted(c: Chooser) -> Clause:
    """Return I want two apples, please give me a cup of tea, I have a headache."""
    classes = c.pick("food", "drink", "thing")
    entry, roll = c.entry(classes), c.random.random()
    noun = nouns.amount(c, entry, classes)
    if roll < 0.4:
        form = clauses.any_form(c, True)
        who = clauses.someone(c, form == "ask")
        want = c.pick("要", "想要")
        act = predicates.Predicate.regular("do", "want " + noun.en, f"{want} {noun.zh}")
        return clauses.said(who.zh, who.subject, act, form)
    if roll < 0.7:
        return _given(c, classes, entry, noun)
    return _ill(c, roll)


def _given(c: Chooser, classes: str, entry: Entry, noun: nouns.Noun) -> Clause:
    """Return please give me two apples, give her another cup."""
    to = c.pick(("我", "me"), ("我", "me"), ("他", "him"), ("她", "her"), ("我们", "us"))
    start, en = c.pick(("请 给", "please give"), ("给", "give"), ("请 再 给", "please give"))
    more = " another" if start == "请 再 给" else ""
    if more:
        noun = nouns.Noun(f"一 {entry.note(0)} {entry.zh}", article(entry.en).split(" ", 1)[1])
        if classes != "thing" or not nouns.countable(entry):
            return wanted(c)
    return Clause(f"{start} {to[0]} {noun.zh}", f"{en} {to[1]}{more} {noun.en}")


def _ill(c: Chooser, roll: float) -> Clause:
    """Return I have a headache, she has a cold, he's tired."""
    who = nouns.person(c)
    if roll < 0.85:
        body = c.entry("body")
        have = who.subject.present("have")
        if body.en in ("head", "stomach", "tooth", "back"):
            zh = f"{who.zh} {body.zh}{c.pick(' ', ' 很 ', ' ')}疼"
            return Clause(zh, f"{who.subject.text} {have} a {body.en}ache")
        ill = c.pick(("感冒 了", "a cold"), ("发烧 了", "a fever"), ("咳嗽", "a cough"))
        return Clause(f"{who.zh} {ill[0]}", f"{who.subject.text} {have} {ill[1]}")
    zh, en = c.pick(
        ("生病", "sick"),
        ("迟到", "late"),
        ("饿", "hungry"),
        ("累", "tired"),
        ("困", "sleepy"),
        ("渴", "thirsty"),
        ("来 晚", "late"),
        ("准备 好", "ready"),
    )
    return Clause(f"{who.zh} {zh} 了", f"{who.subject.with_be()} {en}")
