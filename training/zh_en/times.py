"""Everyday patterns of weather, age, clock and calendar."""

from __future__ import annotations

from training.zh_en import clauses, nouns, predicates
from training.zh_en.clauses import Clause
from training.zh_en.english import Subject, gerund
from training.zh_en.lexicon import Chooser
from training.zh_en.numbers import number, ordinal


def weather(c: Chooser) -> Clause:
    """Return it's cold in Beijing today, it rained yesterday, will it snow tomorrow?"""
    tense: predicates.Tense = c.weighted([(50, "present"), (25, "past"), (25, "future")])
    time = clauses.Time(
        *c.pick(
            ("今天", "today"), ("今天", "today"), ("现在", "now"), ("外面", "outside"), ("", "")
        )
    )
    if tense != "present":
        entry = c.entry(tense)
        time = clauses.Time(entry.zh, entry.en)
    city = c.entry("city") if c.chance(0.3) else None
    place = clauses.Time(city.zh, "in " + city.en) if city else clauses.Time()
    form: predicates.Form = c.weighted([(65, "yes"), (15, "no"), (20, "ask")])
    predicate, zh_subject, subject = _sky(c, tense)
    parts = [time.zh, place.zh]
    if c.chance(0.4):
        parts.reverse()
    predicate = predicates.for_form(predicate, form)
    zh = " ".join(filter(None, (*parts, zh_subject, predicate.zh(form))))
    en = predicates.english(subject, predicate, tense, form)
    return Clause(zh, " ".join(filter(None, (en, place.en, time.en))), form == "ask")


def _sky(c: Chooser, tense: predicates.Tense) -> tuple[predicates.Predicate, str, Subject]:
    """Return what the sky does, the Chinese subject if any, and the English one."""
    it = Subject("it", pronoun=True)
    if c.chance(0.45):
        return _rain(c, tense), "", it
    if c.chance(0.5):
        zh, en = c.pick(("好", "nice"), ("不错", "nice"), ("糟糕", "terrible"))
        will = "会 " if tense == "future" else ""
        lead = "会 很 " if will else "很 " if zh != "不错" else ""
        no = "不 " + will + ("好" if zh == "不错" else zh)
        return (
            predicates.Predicate("be", en, lead + zh, no, f"{will}{zh} 吗"),
            "天气",
            Subject("the weather"),
        )
    return predicates.adjective(c, "weather", tense), c.pick("", "", "天气"), it


def _rain(c: Chooser, tense: predicates.Tense) -> predicates.Predicate:
    word, en = c.pick(
        ("下雨", "rain"), ("下雪", "snow"), ("下 大 雨", "rain heavily"), ("下 小 雨", "drizzle")
    )
    if tense == "future":
        yes = f"{c.pick('会', '要', '会')} {word}"
        return predicates.Predicate("do", en, yes, f"不 会 {word}", f"会 {word} 吗")
    if tense == "past":
        no = f"{c.pick('没', '没有')} {word}"
        return predicates.Predicate("do", en, f"{word} 了", no, f"{word} 了 吗")
    now = c.pick("在", "正在", "在")
    return predicates.Predicate("be", gerund(en), f"{now} {word}", f"没 {word}", f"在 {word} 吗")


def climate(c: Chooser) -> Clause:
    """Return winter in Beijing is cold, it often rains here."""
    if c.chance(0.3):
        zh, en = c.pick(("这里", "here"), ("那里", "there"))
        often, word = c.entry("often"), c.pick(("下雨", "rains"), ("下雪", "snows"))
        return Clause(f"{zh} {often.zh} {word[0]}", f"it {often.en} {word[1]} {en}")
    season, city = c.entry("season"), c.entry("city")
    tone = c.entry("weather")
    degree, much = c.pick(("很", ""), ("非常", "very "), ("不", "not "), ("很", ""))
    en = f"{season.en} in {city.en} is {much}{tone.en}".replace("is not", "isn't")
    return Clause(f"{city.zh} 的 {season.zh} {degree} {tone.zh}", en)


def age(c: Chooser) -> Clause:
    """Return she's twenty years old."""
    who, value = nouns.person(c), c.random.randint(2, 99)
    zh, en = number(value, counting=True)
    this = c.pick(("", ""), ("今年 ", " this year"))
    end = c.pick("", " 了")
    if c.chance(0.15):
        return Clause(f"{who.zh} 不 是 {zh} 岁", f"{who.subject.with_be(True)} {en} years old")
    return Clause(
        f"{who.zh} {this[0]}{zh} 岁{end}", f"{who.subject.with_be()} {en} years old{this[1]}"
    )


def clock(c: Chooser) -> Clause:
    """Return it's half past three, what time is it?, today is Monday, tomorrow is June first."""
    roll = c.random.random()
    now = c.pick(("现在 ", " now"), ("现在 是 ", " now"), ("", ""))
    return _hour(c, now) if roll < 0.4 else _day(c, roll)


def _hour(c: Chooser, now: tuple[str, str]) -> Clause:
    at, minute = clauses.hour(c), c.random.randint(11, 59)
    if " 半" in at.zh:
        return Clause(now[0] + at.zh, f"it's {at.en}{now[1]}")
    if c.chance(0.4):
        zh, en = number(minute)
        return Clause(f"{now[0]}{at.zh} {zh} 分", f"it's {at.en} {en}{now[1]}")
    part = c.pick(
        ("早上 ", " in the morning"), ("下午 ", " in the afternoon"),
        ("晚上 ", " in the evening"), ("", ""), ("", ""),
    )  # fmt: skip
    exact = " o'clock" if not part[0] else ""
    return Clause(f"{now[0]}{part[0]}{at.zh}", f"it's {at.en}{exact}{part[1]}{now[1]}")


def _day(c: Chooser, roll: float) -> Clause:
    day, month = c.entry("weekday"), c.entry("month")
    zh, en, was = c.pick(
        ("今天", "today", "is"), ("明天", "tomorrow", "is"), ("昨天", "yesterday", "was"),
        ("后天", "the day after tomorrow", "is"),
    )  # fmt: skip
    be = c.pick("是 ", "")
    if roll < 0.75:
        if c.chance(0.12):
            return Clause(f"{zh} 不 是 {day.zh}", f"{en} {was}n't {day.en}")
        if c.chance(0.12):
            return Clause(f"{zh} 是 {day.zh} 吗", f"{was} {en} {day.en}", True)
        return Clause(f"{zh} {be}{day.zh}", f"{en} {was} {day.en}")
    if roll < 0.85:
        asked = c.pick(
            (f"{zh} 星期 几", f"what day {was} {en}"), (f"{zh} 是 星期 几", f"what day {was} {en}"),
            (f"{zh} 几 号", f"what date {was} {en}"), ("几 点 了", "what time is it"),
            ("现在 几 点 了", "what time is it now"), ("现在 是 几 点", "what time is it now"),
        )  # fmt: skip
        return Clause(*asked, True)
    date, cardinal = number(c.random.randint(1, 31))
    return Clause(f"{zh} {be}{month.zh} {date} 号", f"{en} {was} {month.en} {ordinal(cardinal)}")
