"""Everyday patterns of people: likes, manners, requests, journeys, how long."""

from __future__ import annotations

from training.zh_en import clauses, nouns, predicates, verbs
from training.zh_en.clauses import Clause
from training.zh_en.english import article, past, plural
from training.zh_en.lexicon import Chooser, Entry

_LIKES = (
    (70, ("喜欢", "like")), (10, ("爱", "love")), (10, ("不 太 喜欢", "really like")),
    (10, ("讨厌", "hate")),
)  # fmt: skip
_WOMEN = (
    "mom", "sister", "grandma", "daughter", "wife", "aunt", "girlfriend", "woman", "girl",
    "Anna", "Mary", "Xiaohong", "Wang Fang",
)  # fmt: skip
_MANNERS = (
    ("跑", "run", ""), ("走", "walk", ""), ("说", "speak", ""), ("吃", "eat", ""),
    ("睡", "sleep", ""), ("唱", "sing", ""), ("跳", "dance", ""), ("做", "work", ""),
    ("学", "learn", ""), ("开", "drive", ""), ("写", "write", ""), ("游", "swim", ""),
    ("来", "come", ""), ("起", "get up", ""), ("说", "speak", "tongue"),
)  # fmt: skip
_HOW = (
    ("快", "fast"), ("慢", "slowly"), ("好", "well"), ("很 好", "well"), ("早", "early"),
    ("晚", "late"),
)  # fmt: skip
_ASKING = (
    ("你 能", "can you"), ("你 可以", "can you"), ("我 可以", "can I"), ("我们 可以", "can we"),
    ("我 能", "can I"), ("你 能 不 能", "can you"), ("可以", "can I"),
)  # fmt: skip
_HELP = (
    ("帮 我 一下", "help me"), ("帮 我 一 个 忙", "do me a favor"), ("帮帮 我", "help me"),
    ("帮助 我", "help me"), ("帮 我 开 门", "open the door for me"), ("告诉 我", "tell me"),
    ("等 我 一下", "wait a moment for me"),
)  # fmt: skip
_FAR = {
    "远 吗": "is it far", "很 远": "it's far", "不 远": "it isn't far",
    "不 太 远": "it isn't very far", "有 多 远": "how far is it",
}  # fmt: skip
_SPANS = (
    ("年", "year"), ("个 月", "month"), ("天", "day"), ("个 小时", "hour"), ("个 星期", "week"),
    ("分钟", "minute"),
)  # fmt: skip
_LASTING = (
    ("学 了", "study"), ("等 了", "wait"), ("睡 了", "sleep"), ("工作 了", "work"),
    ("玩 了", "play"), ("走 了", "walk"), ("跑 了", "run"), ("住 了", "stay"),
)  # fmt: skip


def liking(c: Chooser) -> Clause:
    """Return I like music, do you like dogs?, he doesn't like coffee, I like tea and milk."""
    form = clauses.any_form(c, True)
    who = clauses.someone(c, form == "ask")
    (zh, en), (more_zh, more_en) = _liked(c), _liked(c)
    verb, word = c.weighted(_LIKES)
    if verb == "不 太 喜欢":
        return Clause(
            f"{who.zh} {verb} {zh}", f"{who.subject.text} {who.subject.do()}n't really like {en}"
        )
    roll, likes = c.random.random(), who.subject.present("like")
    if roll < 0.12:
        return Clause(
            f"{who.zh} {verb} {zh} 和 {more_zh}",
            f"{who.subject.text} {who.subject.present(word)} {en} and {more_en}",
        )
    if roll < 0.24 and form == "yes":
        joint = c.pick("，", "， 但是", "， 可是")
        return Clause(
            f"{who.zh} 喜欢 {zh} {joint} 不 喜欢 {more_zh}",
            f"{who.subject.text} {likes} {en}, "
            f"but {_again(who)} {who.subject.do()}n't like {more_en}",
        )
    best = c.pick(
        ("最 ", " best"), ("非常 ", " very much"), ("很 ", " very much"), *3 * (("", ""),)
    )  # fmt: skip
    if form != "yes" or verb != "喜欢":
        best = ("", "")
    act = predicates.Predicate(
        "do",
        f"{word} {en}{best[1]}",
        f"{best[0]}{verb} {zh}",
        f"不 {verb} {zh}",
        c.pick(f"{verb} {zh} 吗", f"{verb} 不 {verb} {zh}"),
    )
    return clauses.said(who.zh, who.subject, act, form)


def _again(who: nouns.Person) -> str:
    """Return the pronoun that takes the person up again."""
    subject = who.subject
    if subject.pronoun:
        return subject.text
    if subject.plural:
        return "we" if subject.text.endswith("and I") else "they"
    return "she" if subject.text.endswith(_WOMEN) else "he"


def _liked(c: Chooser) -> tuple[str, str]:
    classes = c.pick("abstract", "food", "drink", "animal", "thing", "subject")
    entry: Entry = c.entry(classes)
    if classes in ("food", "animal", "thing"):
        return entry.zh, nouns.plain(entry)
    return entry.zh, entry.en


def manner(c: Chooser) -> Clause:
    """Return he runs fast, she speaks Chinese well, I get up early every day."""
    who = nouns.person(c)
    (verb, en, zh_object), object_ = c.among(_MANNERS), ""
    zh_how, how = c.among(_HOW)
    degree = c.pick(("很 ", ""), ("非常 ", "very "), ("太 ", "too "))
    if zh_how == "很 好":
        degree = ("", "")
    end = " 了" if degree[0] == "太 " else ""
    lead = who.zh
    if zh_object:
        tongue = c.entry("language")
        lead, object_ = f"{who.zh} {c.pick('的 ', '')}{tongue.zh}", " " + tongue.en
    if c.chance(0.2):
        act = f"{who.subject.text} {who.subject.do()}n't {en}{object_} {how}"
        return Clause(f"{lead} {verb} 得 不 {zh_how.removeprefix('很 ')}", act)
    return Clause(
        f"{lead} {verb} 得 {degree[0]}{zh_how}{end}",
        f"{who.subject.text} {who.subject.present(en)}{object_} {degree[1]}{how}",
    )


def ordered(c: Chooser) -> Clause:
    """Return please close the door, don't worry, let's eat, can you help me?"""
    roll = c.random.random()
    if roll < 0.3:
        entry = c.entry("polite")
        if entry.zh in ("别 忘", "放心"):
            return Clause(entry.zh, entry.en)
        return c.pick(
            Clause(f"请 {entry.zh}", f"please {entry.en}"),
            Clause(entry.zh, entry.en),
            Clause(f"请 你 {entry.zh}", f"please {entry.en}"),
        )
    if roll < 0.45:
        entry = c.entry("dont")
        end = c.pick("", " 了")
        return c.pick(
            Clause(f"{c.pick('别', '不要')} {entry.zh}{end}", f"don't {entry.en}"),
            Clause(f"请 {c.pick('别', '不要')} {entry.zh}", f"please don't {entry.en}"),
        )
    return _proposed(c, roll)


def _proposed(c: Chooser, roll: float) -> Clause:
    """Return let's eat, can you help me?, can I sit here?, it's time to go home."""
    act = verbs.verb_phrase(c)
    if roll < 0.65:
        lead = c.pick("我们 ", "我们 一起 ", "让 我们 ", "一起 ", "咱们 ", "我们 ")
        tail = " together" if "一起" in lead else ""
        return Clause(f"{lead}{act.zh} 吧", f"let's {act.en}{tail}")
    if roll < 0.8:
        zh, en = c.among(_ASKING)
        if c.chance(0.4):
            help_zh, help_en = c.among(_HELP)
            end = "" if "不 能" in zh else " 吗"
            return Clause(
                f"你 能 {help_zh}{end}" if "你" not in zh else f"{zh} {help_zh}{end}",
                f"can you {help_en}",
                True,
            )
        end = "" if "不 能" in zh else " 吗"
        return Clause(f"{zh} {act.zh}{end}", f"{en} {act.en}", True)
    return c.pick(
        Clause(f"请 {act.zh}", f"please {act.en}"),
        Clause(f"{c.pick('别', '不要')} {act.zh}", f"don't {act.en}"),
        Clause(f"该 {act.zh} 了", f"it's time to {act.en}"),
    )


def journey(c: Chooser) -> Clause:
    """Return is it far from here to the airport?, I come from China, I live in Beijing."""
    roll = c.random.random()
    who = nouns.person(c)
    if roll < 0.3:
        start, end = c.entry("place"), c.entry("place")
        zh, en = c.pick(
            ("这里", "here"), ("这儿", "here"), ("我 家", "my house"), (start.zh, start.en)
        )
        form = c.pick("远 吗", "很 远", "不 远", "不 太 远", "有 多 远")
        return Clause(
            f"从 {zh} 到 {end.zh} {form}",
            f"{_FAR[form]} from {en} to {end.en}",
            form in ("远 吗", "有 多 远"),
        )
    if roll < 0.45:
        return _distant(c)
    return _living(c, roll, who)


def _distant(c: Chooser) -> Clause:
    """Return the bank is far from here, is Beijing far from my house?"""
    place = c.pick(c.entry("place"), c.entry("city"))
    topic = place.en if place.zh != "学校" else "the school"
    form = c.pick("远 吗", "很 远", "不 远", "很 近")
    here = c.pick(("这里", "here"), ("这儿", "here"), ("我 家", "my house"))
    if form == "远 吗":
        return Clause(f"{place.zh} 离 {here[0]} 远 吗", f"is {topic} far from {here[1]}", True)
    text = {"很 远": "is far from", "不 远": "isn't far from", "很 近": "is close to"}[form]
    return Clause(f"{place.zh} 离 {here[0]} {form}", f"{topic} {text} {here[1]}")


def _living(c: Chooser, roll: float, who: nouns.Person) -> Clause:
    """Return I live in Beijing, does he work in Paris?, she comes from France."""
    city = c.entry(c.pick("city", "nation"))
    form2: predicates.Form = c.weighted([(60, "yes"), (15, "no"), (25, "ask")])
    if roll < 0.7:
        house = c.chance(0.3)
        zh = f"住 在 {city.zh}" if not house else "住 在 这里"
        act = predicates.Predicate(
            "do", "live in " + city.en if not house else "live here", zh, f"不 {zh}", f"{zh} 吗"
        )
    elif roll < 0.85:
        zh, job = c.pick(
            (f"在 {city.zh} 工作", "work"),
            (f"在 {city.zh} 学习", "study"),
            (f"在 {city.zh} 上 大学", "go to college"),
        )
        act = predicates.Predicate("do", f"{job} in {city.en}", zh, f"不 {zh}", f"{zh} 吗")
    else:
        zh = f"{c.pick('来自', '从')} {city.zh}"
        zh += " 来" if zh.startswith("从") else ""
        act = predicates.Predicate("do", "come from " + city.en, zh, f"不 是 {zh} 的", f"{zh} 吗")
    if form2 == "ask":
        who = clauses.someone(c, True)
    return clauses.said(who.zh, who.subject, act, form2)


def lasting(c: Chooser) -> Clause:
    """Return I've studied English for three years, I waited for two hours, he drank two cups."""
    who, n = nouns.person(c), c.entry("number")
    unit, en = c.among(_SPANS)
    one = "an hour" if en == "hour" else article(en)
    span = one if n.zh == "一" else f"{n.en} {plural(en)}"
    zh, verb = c.among(_LASTING)
    return Clause(f"{who.zh} {zh} {n.zh} {unit}", f"{who.subject.text} {past(verb)} for {span}")
