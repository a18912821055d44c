"""Questions with a question word: what, where, when, why, how, who, whose, how many."""

from __future__ import annotations

from training.zh_en import clauses, nouns, predicates, verbs
from training.zh_en.clauses import Clause
from training.zh_en.english import Subject, gerund, participle, plural
from training.zh_en.lexicon import Chooser
from training.zh_en.predicates import Predicate, Tense

_WHAT = (
    ("吃", "eat"),
    ("喝", "drink"),
    ("买", "buy"),
    ("看", "watch"),
    ("听", "listen to"),
    ("做", "do"),
    ("干", "do"),
    ("学", "learn"),
    ("学习", "study"),
    ("找", "look for"),
    ("写", "write"),
    ("画", "paint"),
    ("卖", "sell"),
    ("说", "say"),
    ("玩", "play"),
    ("用", "use"),
    ("带", "bring"),
    ("准备", "prepare"),
    ("修", "repair"),
    ("穿", "wear"),
    ("问", "ask"),
    ("教", "teach"),
    ("读", "read"),
    ("点", "order"),
    ("拿", "take"),
)


def _asked(c: Chooser) -> nouns.Person:
    return clauses.someone(c, asked=True)


def _ask(word: str, subject: Subject, predicate: Predicate, tense: Tense, rest: str = "") -> str:
    return f"{word} {predicates.question(subject, predicate, tense)} {rest}".strip()


def _doing_what(c: Chooser, who: nouns.Person) -> tuple[str, Predicate, Tense]:
    """Return the Chinese, predicate and tense of doing something unnamed."""
    zh, en = c.among(_WHAT)
    form = c.pick("wish", "habit", "past", "future", "now", "like", "can", "should")
    blank = ("", "", "")
    if form == "wish":
        return (
            f"{c.pick('想', '要', '想要')} {zh} 什么",
            Predicate("do", "want to " + en, *blank),
            "present",
        )
    if form == "like":
        return f"喜欢 {zh} 什么", Predicate("do", "like to " + en, *blank), "present"
    if form == "past":
        return f"{zh} 了 什么", Predicate("do", en, *blank), "past"
    if form == "future":
        return f"会 {zh} 什么", Predicate("do", en, *blank), "future"
    if form == "now":
        doing = gerund(en)
        return f"{c.pick('在', '正在')} {zh} 什么", Predicate("be", doing, *blank), "present"
    if form == "can":
        return f"能 {zh} 什么", Predicate("can", en, *blank), "present"
    if form == "should":
        return f"应该 {zh} 什么", Predicate("should", en, *blank), "present"
    return f"{zh} 什么", Predicate("do", en, *blank), "present"


def what(c: Chooser) -> Clause:
    """Return what do you want to eat?"""
    who = _asked(c)
    zh, predicate, tense = _doing_what(c, who)
    time = clauses.when(c, tense, predicate, 0.45)
    order = (who.zh, time.zh) if c.chance(0.5) else (time.zh, who.zh)
    return Clause(
        " ".join(filter(None, (*order, zh))),
        _ask("what", who.subject, predicate, tense, time.en),
        True,
    )


def what_kind(c: Chooser) -> Clause:
    """Return what color do you like?, which book is this?"""
    who = _asked(c)
    zh, en = c.pick(
        ("什么 颜色", "what color"),
        ("什么 运动", "what sport"),
        ("什么 电影", "what movie"),
        ("什么 音乐", "what music"),
        ("什么 书", "what book"),
        ("什么 水果", "what fruit"),
        ("什么 动物", "what animal"),
        ("什么 菜", "what dish"),
        ("哪 本 书", "which book"),
        ("哪个 城市", "which city"),
        ("哪个 季节", "which season"),
    )
    verb, base = c.pick(("喜欢", "like"), ("最 喜欢", "like best"), ("想要", "want"))
    if base == "like best":
        text = _ask(en, who.subject, Predicate("do", "like best", "", "", ""), "present")
    else:
        text = _ask(en, who.subject, Predicate("do", base, "", "", ""), "present")
    return Clause(f"{who.zh} {verb} {zh}", text, True)


def where(c: Chooser) -> Clause:
    """Return where is the bank?, where do you work?, where are you going?"""
    at = c.pick("哪里", "哪儿")
    roll = c.random.random()
    if roll < 0.35:
        topic = c.entry("place")
        noun = nouns.Noun(topic.zh, "the school" if topic.zh == "学校" else topic.en)
        if c.chance(0.5):
            noun = nouns.owned(c, c.entry("thing"))
        return Clause(f"{noun.zh} 在 {at}", f"where {noun.subject.be()} {noun.en}", True)
    who = _asked(c)
    if roll < 0.5:
        return Clause(f"{who.zh} 在 {at}", f"where {who.subject.be()} {who.subject.text}", True)
    if roll < 0.6:
        zh, en = c.pick(("要 去", "going"), ("要 去", "going"))
        return Clause(
            f"{who.zh} {zh} {at}", f"where {who.subject.be()} {who.subject.text} {en}", True
        )
    tense: Tense = c.pick("present", "past", "future")
    if roll < 0.8:
        verb = {"present": "去", "past": "去", "future": "会 去"}[tense]
        time = clauses.when(c, tense, Predicate("do", "go", "", "", ""), 0.6)
        end = " 了" if tense == "past" else ""
        text = _ask("where", who.subject, Predicate("do", "go", "", "", ""), tense, time.en)
        return Clause(" ".join(filter(None, (who.zh, time.zh, verb, at + end))), text, True)
    zh, en = c.pick(
        ("住", "live"),
        ("工作", "work"),
        ("上班", "work"),
        ("上学", "go to school"),
        ("学习", "study"),
        ("吃 饭", "eat"),
        ("买 东西", "go shopping"),
    )
    core = f"住 在 {at}" if zh == "住" else f"在 {at} {zh}"
    text = _ask("where", who.subject, Predicate("do", en, "", "", ""), "present")
    return Clause(f"{who.zh} {core}", text, True)


def when(c: Chooser) -> Clause:
    """Return when do you get up?, when did he come?, what time does she sleep?"""
    who, tense = _asked(c), c.weighted([(50, "present"), (25, "past"), (25, "future")])
    zh, en = c.weighted([(60, ("什么 时候", "when")), (40, ("几 点", "what time"))])
    phrase = verbs.verb_phrase(c, simple=True)
    act = Predicate("do", phrase.en, "", "", "")
    if tense == "past":
        return Clause(
            f"{who.zh} {zh} {phrase.zh} 的" if c.chance(0.5) else f"{who.zh} {zh} {phrase.zh} 了",
            _ask(en, who.subject, act, "past"),
            True,
        )
    if tense == "future":
        return Clause(f"{who.zh} {zh} 会 {phrase.zh}", _ask(en, who.subject, act, "future"), True)
    time = c.pick("", "", "每天 ", "早上 ", "晚上 ")
    rest = {"每天 ": "every day", "早上 ": "in the morning", "晚上 ": "in the evening", "": ""}[
        time
    ]
    act = Predicate("do", phrase.habit, "", "", "")
    return Clause(
        f"{who.zh} {time}{zh} {phrase.zh}", _ask(en, who.subject, act, "present", rest), True
    )


def event(c: Chooser) -> Clause:
    """Return when does the train arrive?, what time did the movie start?"""
    entry = c.entry("event")
    zh, en = c.pick(("开始", "start"), ("结束", "end"))
    if entry.en in ("the train", "the plane", "the bus"):
        zh, en = c.pick(("到", "arrive"), ("来", "come"), ("出发", "leave"), ("开", "leave"))
    elif entry.zh in ("商店", "银行", "超市", "学校"):
        zh, en = c.pick(("开门", "open"), ("关门", "close"))
    noun, act = nouns.Noun(entry.zh, entry.en).subject, Predicate("do", en, "", "", "")
    if c.chance(0.3):
        at = clauses.hour(c)
        return Clause(f"{entry.zh} {at.zh} {zh}", f"{entry.en} {noun.present(en)} at {at.en}")
    if c.chance(0.3):
        return Clause(f"{entry.zh} 已经 {zh} 了", f"{noun.with_have()} already {participle(en)}")
    word, text = c.pick(("什么 时候", "when"), ("几 点", "what time"))
    return Clause(f"{entry.zh} {word} {zh}", _ask(text, noun, act, "present"), True)


def why(c: Chooser) -> Clause:
    """Return why are you sad?, why didn't he come?"""
    who = _asked(c)
    word = c.pick("为什么", "为什么", "怎么")
    subject = who.subject
    roll = c.random.random()
    if roll < 0.35:
        entry, degree = c.entry("feeling"), c.pick("很", "这么", "不")
        en = f"why {subject.be()} {subject.text} {'so ' if degree == '这么' else ''}{entry.en}"
        if degree == "不":
            en = f"why {_not(subject.be(), subject)} {entry.en}"
        return Clause(f"{who.zh} 为什么 {degree} {entry.zh}", en, True)
    act = verbs.verb_phrase(c, simple=True)
    if roll < 0.5:
        return Clause(
            f"{who.zh} 为什么 {act.zh}", _ask("why", subject, _do(act.habit), "present"), True
        )
    if roll < 0.65:
        wish = f"{subject.do()}n't {subject.text} want to {act.en}"
        return Clause(f"{who.zh} 为什么 不 想 {act.zh}", f"why {wish}", True)
    if roll < 0.8:
        base = f"{subject.do()}n't {subject.text} {act.habit}"
        return Clause(f"{who.zh} {word} 不 {act.zh}", f"why {base}", True)
    time = clauses.when(c, "past", _do(""), 0.5)
    base = f"why didn't {subject.text} {act.en} {time.en}".strip()
    return Clause(" ".join(filter(None, (who.zh, time.zh, word, "没", act.zh))), base, True)


def _do(en: str) -> Predicate:
    return Predicate("do", en, "", "", "")


def _not(be: str, subject: Subject) -> str:
    return "am I not" if be == "am" else f"{be}n't {subject.text}"


def how(c: Chooser) -> Clause:
    """Return how do you go to work?, how do you say this?, how is your mom?"""
    who = _asked(c)
    roll = c.random.random()
    if roll < 0.35:
        tense: Tense = c.pick("present", "past")
        now = c.pick(("", ""), ("最近 ", ""), ("今天 ", "today"), ("昨天 ", "yesterday"))
        if now[0] == "昨天 ":
            return Clause(
                f"{who.zh} 昨天 怎么样",
                f"how {who.subject.be('past')} {who.subject.text} yesterday",
                True,
            )
        del tense
        if now[0] == "最近 ":
            have = "have" if who.subject.bare else "has"
            return Clause(f"{who.zh} 最近 怎么样", f"how {have} {who.subject.text} been", True)
        en = f"how {who.subject.be()} {who.subject.text} {now[1]}".strip()
        return Clause(f"{who.zh} {now[0]}怎么样", en, True)
    if roll < 0.7:
        goal = c.pick(nouns.goal(c), nouns.Noun("上班", "to work"), nouns.Noun("上学", "to school"))
        text = _ask("how", who.subject, _do("go " + goal.en), "present")
        return Clause(f"{who.zh} 怎么 去 {goal.zh}", text, True)
    if roll < 0.85:
        topic = nouns.owned(c, c.entry("thing"))
        return Clause(f"{topic.zh} 怎么样", f"how {topic.subject.be()} {topic.en}", True)
    zh, en = c.pick(("说", "say"), ("写", "write"), ("读", "read"), ("做", "make"), ("用", "use"))
    return Clause(f"这个 怎么 {zh}", f"how do you {en} this", True)


def who(c: Chooser) -> Clause:
    """Return who is he?, who wants to go?, who do you like?, whose book is this?"""
    roll = c.random.random()
    if roll < 0.2:
        person = c.pick(nouns.pronoun, nouns.relative)(c)
        return Clause(
            f"{person.zh} 是 谁", f"who {person.subject.be()} {person.subject.text}", True
        )
    act = verbs.verb_phrase(c, simple=True)
    if roll < 0.3:
        return Clause(f"谁 想 {act.zh}", f"who wants to {act.en}", True)
    if roll < 0.4:
        return Clause(f"谁 会 {act.zh}", f"who will {act.en}", True)
    if roll < 0.5:
        return Clause(f"谁 在 {act.zh}", f"who is {gerund(act.en)}", True)
    if roll < 0.7:
        entry = c.entry("thing")
        (zh, en) = c.pick(("这", "this"), ("那", "that"))
        if entry.note(1) == "c":
            return Clause(
                f"{zh} 是 谁 的 {entry.zh}",
                f"whose {entry.en} are {en[:2]}ese"
                if en == "this"
                else f"whose {entry.en} are those",
                True,
            )
        if c.chance(0.4):
            return Clause(
                f"{zh} {entry.note(0)} {entry.zh} 是 谁 的", f"whose {entry.en} is {en}", True
            )
        return Clause(f"{zh} 是 谁 的 {entry.zh}", f"whose {entry.en} is {en}", True)
    asked = _asked(c)
    state = c.entry("state")
    if roll < 0.85:
        text = _ask("who", asked.subject, _do(state.en), "present")
        return Clause(f"{asked.zh} {state.zh} 谁", text, True)
    text = _ask("who", asked.subject, _do(f"{act.en} with"), "present")
    return Clause(f"{asked.zh} {c.pick('和', '跟')} 谁 一起 {act.zh}", text, True)


def how_many(c: Chooser) -> Clause:
    """Return how many books do you have?, how much is this?, how old are you?"""
    asked, roll = _asked(c), c.random.random()
    if roll < 0.35:
        entry = c.entry(c.pick("thing", "animal"))
        word = c.pick("几", "多少")
        measure = f"{entry.note(0)} " if word == "几" else ""
        text = _ask(f"how many {plural(entry.en)}", asked.subject, _do("have"), "present")
        return Clause(f"{asked.zh} 有 {word} {measure}{entry.zh}", text, True)
    if roll < 0.5:
        kin = c.by_zh[("kin", c.pick("哥哥", "姐姐", "弟弟", "妹妹", "儿子", "女儿"))]
        en = _ask(f"how many {plural(kin.en)}", asked.subject, _do("have"), "present")
        return Clause(f"{asked.zh} 有 几 个 {kin.zh}", en, True)
    if roll < 0.7:
        topic = c.pick(nouns.pointed, nouns.owned)(c, c.entry("thing"))
        return Clause(f"{topic.zh} 多少 钱", f"how much {topic.subject.be()} {topic.en}", True)
    if roll < 0.85:
        many = c.pick("多 大 了", "几 岁 了", "多 大", "几 岁", "今年 几 岁", "今年 多 大")
        return Clause(
            f"{asked.zh} {many}", f"how old {asked.subject.be()} {asked.subject.text}", True
        )
    zh, en = c.pick(("多 高", "how tall"), ("多 重", "how heavy"))
    return Clause(f"{asked.zh} {zh}", f"{en} {asked.subject.be()} {asked.subject.text}", True)


QUESTIONS = (
    (20, what),
    (6, what_kind),
    (16, where),
    (14, when),
    (8, event),
    (10, why),
    (10, how),
    (12, who),
    (10, how_many),
)


def question(c: Chooser) -> Clause:
    """Return any question with a question word."""
    return c.weighted(QUESTIONS)(c)
