"""Simple clauses: a subject, a predicate, a time; affirmed, denied or asked."""

from __future__ import annotations

from dataclasses import dataclass

from training.zh_en import nouns, predicates, verbs
from training.zh_en.english import Subject, plural
from training.zh_en.lexicon import Chooser
from training.zh_en.numbers import HOURS, HOURS_ZH
from training.zh_en.predicates import Form, Predicate, Tense


@dataclass(frozen=True)
class Clause:
    """Chinese words parted by spaces and English in mid-sentence case, without punctuation."""

    zh: str
    en: str
    question: bool = False


@dataclass(frozen=True)
class Time:
    """When: Chinese words and English, both possibly empty."""

    zh: str = ""
    en: str = ""


def when(c: Chooser, tense: Tense, predicate: Predicate, likely: float) -> Time:
    """Return a time that fits the tense and the kind of predicate, or none."""
    if not c.chance(likely):
        return Time()
    if tense == "past":
        return clock(c, "past") if c.chance(0.12) else _time(c, "past")
    if tense == "future":
        return clock(c, "future") if c.chance(0.12) else _time(c, "future")
    if predicate.kind == "be":
        entry = c.among(c.lexicon["now"])
        return (
            Time(entry.zh, "now" if entry.zh == "最近" else entry.en)
            if entry.zh != "最近"
            else Time()
        )
    if predicate.kind in ("can", "should", "have"):
        return Time()
    if c.chance(0.25):
        return clock(c, "habit")
    return _time(c, "habit")


def _time(c: Chooser, classes: str) -> Time:
    roll = c.random.random()
    day = c.entry("weekday")
    if roll < 0.1 and classes == "habit":
        if c.chance(0.5):
            return Time(day.zh, f"on {day.en}s")
        return Time(
            "每个 " + day.zh if day.zh.startswith("星期") else "每 " + day.zh, "every " + day.en
        )
    if roll < 0.12 and classes == "future":
        return Time(f"下个 {day.zh}", f"next {day.en}")
    if roll < 0.12 and classes == "past":
        return Time(f"上个 {day.zh}", f"last {day.en}")
    if roll < 0.2 and classes != "habit":
        number = c.entry("number")
        unit, en = c.pick(
            ("天", "day"),
            ("年", "year"),
            ("个 星期", "week"),
            ("个 小时", "hour"),
            ("分钟", "minute"),
            ("个 月", "month"),
        )
        en = en if number.zh == "一" else en + "s"
        if classes == "past":
            return Time(f"{number.zh} {unit} 前", f"{number.en} {en} ago")
        return Time(f"{number.zh} {unit} 后", f"in {number.en} {en}")
    entry = c.entry(classes)
    return Time(entry.zh, entry.en)


def hour(c: Chooser) -> Time:
    """Return an hour: 三 点 three, 三 点 半 half past three."""
    index = c.random.randrange(12)
    half = c.chance(0.2)
    return Time(
        HOURS_ZH[index] + " 点" + (" 半" if half else ""),
        ("half past " if half else "") + HOURS[index],
    )


def clock(c: Chooser, classes: str) -> Time:
    """Return at six every morning, tomorrow at three, ..."""
    at = hour(c)
    if classes == "habit":
        zh, en = c.pick(
            ("每天", "every day"),
            ("每天 早上", "every morning"),
            ("", ""),
            ("每天 晚上", "every evening"),
            ("早上", "in the morning"),
            ("晚上", "in the evening"),
            ("下午", "in the afternoon"),
        )
    elif classes == "past":
        zh, en = c.pick(
            ("昨天", "yesterday"), ("今天 早上", "this morning"), ("昨天 晚上", "last night")
        )
    else:
        zh, en = c.pick(
            ("明天", "tomorrow"),
            ("明天 早上", "tomorrow morning"),
            ("今天 晚上", "tonight"),
            ("明天 下午", "tomorrow afternoon"),
            ("后天", "the day after tomorrow"),
        )
    return Time(f"{zh} {at.zh}".strip(), f"at {at.en} {en}".strip())


def assemble(
    c: Chooser,
    subject_zh: str,
    subject: Subject,
    predicate: Predicate,
    tense: Tense,
    form: Form,
    time: Time,
) -> Clause:
    """Return the clause; Chinese puts the time before or after its subject, English last."""
    predicate = predicates.for_form(predicate, form)
    parts = [subject_zh, time.zh]
    if c.chance(0.4):
        parts.reverse()
    said, en = predicate.zh(form), predicates.english(subject, predicate, tense, form)
    plain = form != "ask" and not predicate.yes.startswith(("太", "已经", "还"))
    if plain and c.chance(0.06):
        return Clause(
            _join(*parts, "也", said), _join(en, time.en, "too" if form == "yes" else "either")
        )
    if (
        plain
        and form == "yes"
        and subject.bare
        and subject.text not in ("I", "you")
        and c.chance(0.15)
    ):
        adverb = "both" if " and " in subject.text else "all"
        whole = predicates.english(subject, predicate, tense, "yes", adverb)
        return Clause(_join(*parts, "都", said), _join(whole, time.en))
    return Clause(_join(*parts, said), _join(en, time.en), form == "ask")


def _join(*words: str) -> str:
    return " ".join(filter(None, words))


def said(subject_zh: str, subject: Subject, predicate: Predicate, form: Form) -> Clause:
    """Return the timeless clause in the form."""
    en = predicates.english(subject, predicate, "present", form)
    return Clause(f"{subject_zh} {predicate.zh(form)}", en, form == "ask")


def any_form(c: Chooser, ask: bool) -> Form:
    """Return a form, questions only where `ask` allows them."""
    return c.weighted([(60, "yes"), (22, "no"), (18 if ask else 0, "ask")])


def someone(c: Chooser, asked: bool) -> nouns.Person:
    """Return a person; questions mostly ask you."""
    you = c.by_zh["pronoun", "你"]
    if asked and c.chance(0.45):
        return nouns.Person(you.zh, Subject("you", pronoun=True), "you")
    return nouns.person(c)


def _tense(c: Chooser, present: int, past: int, future: int) -> Tense:
    """Return a tense by weight."""
    weights: list[tuple[int, Tense]] = [
        (present, "present"),
        (past, "past"),
        (future, "future"),
    ]
    return c.weighted(weights)


def feeling(c: Chooser, ask: bool = True, tense: Tense | None = None) -> Clause:
    """Return how someone is: I'm happy today."""
    tense = tense or _tense(c, 65, 22, 13)
    form = any_form(c, ask)
    who = someone(c, form == "ask")
    temper = "feeling" if tense != "present" or c.chance(0.65) else "trait"
    predicate = predicates.adjective(c, temper, tense)
    likely = 0.0 if temper == "trait" else 0.4 if tense == "present" else 1.0
    time = when(c, tense, predicate, likely)
    return assemble(c, who.zh, who.subject, predicate, tense, form, time)


def describing(c: Chooser, ask: bool = True, tense: Tense | None = None) -> Clause:
    """Return what something is like: this book is interesting."""
    form, kind = any_form(c, ask), c.pick("thing", "food", "place", "drink", "animal")
    adjectives = {
        "thing": c.pick("quality", "quality", "quality", "color"),
        "food": "taste",
        "place": "placeadj",
        "drink": "taste2",
        "animal": "trait",
    }[kind]
    subject = _topic(c, kind)
    if adjectives == "color":
        entry = c.entry("color")
        zh = f"是 {entry.zh} 的"
        predicate = Predicate("be", entry.en, zh, f"不 {zh}", f"{zh} 吗")
    else:
        predicate = predicates.adjective(c, adjectives, "present")
        while ("city", subject.zh) in c.by_zh and _is_weather(c, predicate):
            predicate = predicates.adjective(c, adjectives, "present")
    return assemble(c, subject.zh, subject.subject, predicate, "present", form, Time())


def _is_weather(c: Chooser, predicate: Predicate) -> bool:
    return any(entry.zh in predicate.yes for entry in c.lexicon["weather"])


def _topic(c: Chooser, kind: str) -> nouns.Noun:
    if kind == "place":
        entry = c.entry(c.pick("place", "room", "city"))
        if entry.en.startswith("the ") and c.chance(0.6):
            zh, en = c.pick(("这个", "this"), ("那个", "that"))
            return nouns.Noun(f"{zh} {entry.zh}", f"{en} {entry.en.removeprefix('the ')}")
        return nouns.Noun(entry.zh, "the school" if entry.zh == "学校" else entry.en)
    entry = c.entry(kind)
    many = entry.note(1) in ("c", "p")
    if kind in ("food", "drink"):
        if entry.note(1) == "m" or kind == "drink" or many or not nouns.countable(entry):
            lead = c.pick(("", "the "), ("这个 ", "this ")) if not many else ("", "the ")
            return nouns.Noun(lead[0] + entry.zh, lead[1] + entry.en, many)
        if c.chance(0.5):
            return nouns.Noun(f"这些 {entry.zh}", "these " + plural(entry.en), True)
        return nouns.Noun(f"这个 {entry.zh}", "this " + entry.en)
    if c.chance(0.2) and nouns.countable(entry):
        return nouns.Noun(entry.zh, "the " + entry.en)
    return c.pick(nouns.owned, nouns.pointed)(c, entry)


def being(c: Chooser, ask: bool = True, tense: Tense | None = None) -> Clause:
    """Return who or where someone is: she's a doctor, they're at home."""
    form, tense = any_form(c, ask), tense or _tense(c, 75, 25, 0)
    who = someone(c, form == "ask")
    if tense == "present" and c.chance(0.5):
        predicate = predicates.identity(c, who.subject)
        return assemble(c, who.zh, who.subject, predicate, "present", form, Time())
    predicate = predicates.being_somewhere(c)
    if tense == "future":
        spot = predicate.yes
        predicate = Predicate("be", predicate.en, f"会 {spot}", f"不 会 {spot}", f"会 {spot} 吗")
    time = when(c, tense, predicate, 0.3 if tense == "present" else 1.0)
    return assemble(c, who.zh, who.subject, predicate, tense, form, time)


def having(c: Chooser, ask: bool = True, tense: Tense | None = None) -> Clause:
    """Return what someone has: I have two younger sisters."""
    del tense
    form = any_form(c, ask)
    who = someone(c, form == "ask")
    return assemble(c, who.zh, who.subject, predicates.having(c), "present", form, Time())


def acting(c: Chooser, ask: bool = True, tense: Tense | None = None) -> Clause:
    """Return what someone does, did or will do."""
    tense = tense or _tense(c, 36, 36, 28)
    form = any_form(c, ask)
    who = someone(c, form == "ask")
    predicate = verbs.acting(c, tense)
    bare = tense == "future"  # without a time, 会 may mean a skill
    time = when(c, tense, predicate, 1.0 if bare else 0.5)
    if tense == "present" and form == "yes" and not time.zh and c.chance(0.35):
        return _often(c, who, predicate)
    return assemble(c, who.zh, who.subject, predicate, tense, form, time)


def _often(c: Chooser, who: nouns.Person, predicate: Predicate) -> Clause:
    if c.chance(0.15):
        en = f"{who.subject.text} never {who.subject.present(predicate.en)}"
        return Clause(f"{who.zh} 从来 {predicate.no}", en)
    entry = c.entry("often")
    en = f"{who.subject.text} {entry.en} {who.subject.present(predicate.en)}"
    return Clause(f"{who.zh} {entry.zh} {predicate.yes}", en)


def willing(c: Chooser, ask: bool = True, tense: Tense | None = None) -> Clause:
    """Return what someone wants, plans, can or should do."""
    form = any_form(c, ask)
    who = someone(c, form == "ask")
    predicate = c.pick(verbs.wishing, verbs.wishing, verbs.able)(c)
    time = Time()
    if "like to" not in predicate.en and "会" not in predicate.yes and c.chance(0.3):
        entry = c.entry("future") if tense != "present" and c.chance(0.7) else c.entry("now")
        time = Time(entry.zh, entry.en) if entry.zh != "最近" else Time()
    return assemble(c, who.zh, who.subject, predicate, "present", form, time)


def ongoing(c: Chooser, ask: bool = True, tense: Tense | None = None) -> Clause:
    """Return what someone is doing, or was doing at a past time."""
    form, tense = any_form(c, ask), tense or _tense(c, 85, 15, 0)
    who = someone(c, form == "ask")
    predicate = verbs.doing(c)
    time = when(c, "past", predicate, 1.0) if tense == "past" else Time()
    if tense == "present" and c.chance(0.15):
        time = Time("现在", "now")
    return assemble(c, who.zh, who.subject, predicate, tense, form, time)


def experienced(c: Chooser, ask: bool = True, tense: Tense | None = None) -> Clause:
    """Return what someone has done."""
    del tense
    form = any_form(c, ask)
    who = someone(c, form == "ask")
    return assemble(c, who.zh, who.subject, verbs.having_done(c), "present", form, Time())


SIMPLE = (
    (22, feeling),
    (12, describing),
    (10, being),
    (7, having),
    (24, acting),
    (14, willing),
    (7, ongoing),
    (6, experienced),
)


def simple(c: Chooser, ask: bool = True) -> Clause:
    """Return any simple clause."""
    return c.weighted(SIMPLE)(c, ask)
