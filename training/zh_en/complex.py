"""Sentences of two clauses: opinions, causes, conditions, contrasts, sequences, relatives."""

from __future__ import annotations

from training.zh_en import clauses, nouns, people, predicates, times, verbs
from training.zh_en.clauses import Clause
from training.zh_en.english import Subject, gerund, past
from training.zh_en.lexicon import Chooser
from training.zh_en.predicates import Tense


def _fact(c: Chooser, tense: Tense) -> Clause:
    """Return a statement in the tense: weather, feelings, actions, places."""
    make = c.weighted([(30, clauses.feeling), (35, clauses.acting), (8, clauses.being)])
    if c.chance(0.2):
        found = times.weather(c)
        wanted = {"past": " was | rained| snowed|didn't", "future": "'ll |won't| will "}.get(tense)
        fits = wanted is not None and any(mark.strip() in found.en for mark in wanted.split("|"))
        if fits and not found.question:
            return found
    return make(c, False, tense)


def opinion(c: Chooser) -> Clause:
    """Return I think this book is interesting, I know he's at home, I hope it'll be sunny."""
    who = clauses.someone(c, asked=False)
    zh, en = c.weighted(
        [
            (40, ("觉得", "think")),
            (15, ("认为", "think")),
            (12, ("知道", "know")),
            (10, ("相信", "believe")),
            (8, ("希望", "hope")),
            (15, ("听说", "hear")),
        ]
    )
    if en == "hope":
        other = c.pick(nouns.pronoun, nouns.relative)(c)
        act = verbs.verb_phrase(c)
        will = c.pick("能 ", "会 ", "")
        modal = other.subject.text + " can" if will == "能 " else other.subject.with_will()
        return Clause(
            f"{who.zh} 希望 {other.zh} {will}{act.zh}",
            f"{who.subject.text} {who.subject.present('hope')} {modal} {act.en}",
        )
    fact = c.weighted(
        [(45, clauses.describing), (25, clauses.feeling), (15, clauses.being), (10, clauses.acting)]
    )(c, False, c.pick("present", "present", None))
    if c.chance(0.12):
        fact = _tasty(c)
    if c.chance(0.15) and en == "think":
        lead = f"{'do' if who.subject.bare else 'does'} {who.subject.text} {en} {fact.en}"
        return Clause(f"{who.zh} {zh} {fact.zh} 吗", lead, True)
    if c.chance(0.15) and zh in ("觉得", "知道", "认为", "相信"):
        verb = f"{who.subject.do()}n't {en}"
        return Clause(f"{who.zh} 不 {zh} {fact.zh}", f"{who.subject.text} {verb} {fact.en}")
    return Clause(
        f"{who.zh} {zh} {fact.zh}", f"{who.subject.text} {who.subject.present(en)} {fact.en}"
    )


def _tasty(c: Chooser) -> Clause:
    """Return this movie is interesting, learning English is difficult."""
    if c.chance(0.5):
        tongue, tone = c.entry(c.pick("language", "subject")), c.entry("quality")
        while tone.en not in ("difficult", "easy", "interesting", "important", "useful", "simple"):
            tone = c.entry("quality")
        degree, word = c.pick(("很", ""), ("非常", "very "), ("太", "too "))
        end = " 了" if degree == "太" else ""
        lead, en = c.pick((f"学 {tongue.zh}", f"learning {tongue.en}"), (tongue.zh, tongue.en))
        return Clause(f"{lead} {degree} {tone.zh}{end}", f"{en} is {word}{tone.en}")
    return clauses.describing(c, False)


def unsure(c: Chooser) -> Clause:
    """Return I don't know where he is, do you know when the train leaves?"""
    who, other = clauses.someone(c, False), c.pick(nouns.pronoun, nouns.relative, nouns.pronoun)(c)
    subject = other.subject
    act = verbs.verb_phrase(c, simple=True)
    does = subject.present(act.habit)
    zh, en = c.pick(
        (f"{other.zh} 在 {c.pick('哪里', '哪儿')}", f"where {subject.text} {subject.be()}"),
        (f"{other.zh} 是 谁", f"who {subject.text} {subject.be()}"),
        (f"{other.zh} 为什么 {act.zh}", f"why {subject.text} {does}"),
        (f"{other.zh} 什么 时候 {act.zh}", f"when {subject.text} {does}"),
        (f"{other.zh} 去 了 {c.pick('哪里', '哪儿')}", f"where {subject.text} went"),
        (f"{other.zh} 喜欢 什么", f"what {subject.text} {subject.present('like')}"),
        (f"{other.zh} 想 要 什么", f"what {subject.text} {subject.present('want')}"),
        (
            f"{other.zh} 住 在 {c.pick('哪里', '哪儿')}",
            f"where {subject.text} {subject.present('live')}",
        ),
        (f"{other.zh} 在 做 什么", f"what {subject.with_be()} doing"),
    )
    if c.chance(0.25):
        noun = nouns.owned(c, c.entry("thing"))
        zh, en = f"{noun.zh} 在 哪里", f"where {noun.en} {noun.subject.be()}"
    form = c.weighted([(60, "no"), (15, "yes"), (25, "ask")])
    if form == "ask":
        who = nouns.Person("你", Subject("you", pronoun=True), "you")
        return Clause(f"{who.zh} 知道 {zh} 吗", f"do you know {en}", True)
    know = who.subject.present("know") if form == "yes" else who.subject.do() + "n't know"
    return Clause(
        f"{who.zh} {'不 ' if form == 'no' else ''}知道 {zh}", f"{who.subject.text} {know} {en}"
    )


def cause(c: Chooser) -> Clause:
    """Return because it rained yesterday, I didn't go; I'm tired, so I want to rest."""
    tense: Tense = c.pick("past", "past", "present")
    reason, result = _fact(c, tense), _fact(c, tense)
    if c.chance(0.3):
        rain = c.pick(
            ("下雨", "it was raining"),
            ("下雪", "it was snowing"),
            ("天气 不 好", "the weather was bad"),
        )
        reason, result = Clause(*rain), _fact(c, "past")
    if c.chance(0.3) and tense == "present":
        result = clauses.willing(c, False, "present")
    if c.chance(0.5):
        return Clause(
            f"因为 {reason.zh} ， {c.pick('所以 ', '')}{result.zh}",
            f"because {reason.en}, {result.en}",
        )
    return Clause(f"{reason.zh} ， 所以 {result.zh}", f"{reason.en}, so {result.en}")


def condition(c: Chooser) -> Clause:
    """Return if it rains tomorrow, I'll be at home."""
    result = _fact(c, "future") if c.chance(0.8) else clauses.willing(c, False)
    word = c.pick("如果", "要是", "如果")
    if c.chance(0.5):
        rain, en = c.pick(("下雨", "rain"), ("下雪", "snow"))
        entry = c.entry("future")
        form = c.chance(0.25)
        zh = f"{entry.zh} {'不 ' if form else ''}{rain}"
        text = f"it {'doesn' + chr(39) + 't ' + en if form else en + 's'} {entry.en}"
    else:
        who = nouns.person(c)
        if c.chance(0.5):
            feeling = c.entry("feeling")
            form = c.chance(0.3)
            zh = f"{who.zh} {'不' if form else '很'} {feeling.zh}"
            text = f"{who.subject.with_be(form)} {feeling.en}"
        else:
            act = verbs.verb_phrase(c)
            form = c.chance(0.3)
            zh = f"{who.zh} {'不 ' if form else ''}{act.zh}"
            text = f"{who.subject.text} " + (
                f"{who.subject.do()}n't {act.en}" if form else who.subject.present(act.en)
            )
    if c.chance(0.5):
        return Clause(f"{word} {zh} ， {_then(c, result)}", f"if {text}, {result.en}")
    return Clause(f"{word} {zh} ， {result.zh}", f"if {text}, {result.en}")


def _then(c: Chooser, result: Clause) -> str:
    """Return the Chinese result with 就 after a subject of one word."""
    first, _, rest = result.zh.partition(" ")
    if ("pronoun", first) in c.by_zh and not rest.startswith(("的", "和", "们")):
        second = rest.split(" ")[0]
        if any((name, second) in c.by_zh for name in ("kin", "mate", "future", "now")):
            return result.zh
        return f"{first} 就 {rest}"
    return result.zh


def contrast(c: Chooser) -> Clause:
    """Return I like dogs, but he likes cats; although she's tired, she's happy."""
    tense: Tense = c.pick("present", "present", "past")
    one, two = _fact(c, tense), _fact(c, tense)
    if c.chance(0.3):
        one, two = people.liking(c), people.liking(c)
        while one.question or two.question or "，" in one.zh + two.zh:
            one, two = people.liking(c), people.liking(c)
    but = c.pick("但是", "可是", "但")
    if c.chance(0.3):
        return Clause(f"虽然 {one.zh} ， {but} {two.zh}", f"although {one.en}, {two.en}")
    return Clause(f"{one.zh} ， {but} {two.zh}", f"{one.en}, but {two.en}")


def togetherness(c: Chooser) -> Clause:
    """Return I drink tea and he drinks coffee; she's smart and kind; he eats while watching TV."""
    roll, who = c.random.random(), nouns.person(c)
    if roll < 0.4:
        one, two = c.entry("trait"), c.entry("trait")
        return Clause(
            f"{who.zh} {c.pick('又', '既')} {one.zh} 又 {two.zh}",
            f"{who.subject.with_be()} {one.en} and {two.en}",
        )
    first, second = verbs.verb_phrase(c, simple=True), verbs.verb_phrase(c, simple=True)
    if roll < 0.6:
        en = f"{who.subject.text} {who.subject.present(first.habit)} while {gerund(second.habit)}"
        return Clause(f"{who.zh} 一边 {second.zh} 一边 {first.zh}", en)
    if roll < 0.8:
        s, after = who.subject, who.subject.present(second.habit)
        en = f"{s.text} first {s.present(first.habit)} and then {after}"
        return Clause(f"{who.zh} 先 {first.zh} ， {c.pick('再', '然后')} {second.zh}", en)
    other = nouns.person(c)
    return Clause(
        f"{who.zh} {first.zh} ， {other.zh} {second.zh}",
        f"{who.subject.text} {who.subject.present(first.habit)}, and {other.subject.text} "
        f"{other.subject.present(second.habit)}",
    )


def around(c: Chooser) -> Clause:
    """Return when I was at school, ...; before going to bed, I read; after work he went home."""
    who = nouns.person(c)
    first, second = verbs.verb_phrase(c, simple=True), verbs.verb_phrase(c)
    s = who.subject
    roll = c.random.random()
    if roll < 0.35:
        return Clause(
            f"{who.zh} {first.zh} {c.pick('以后', '后', '之后')} {second.zh}",
            f"after {gerund(first.habit)}, {s.text} {s.present(second.habit)}",
        )
    if roll < 0.7:
        return Clause(
            f"{who.zh} {first.zh} {c.pick('以前', '前', '之前')} {second.zh}",
            f"before {gerund(first.habit)}, {s.text} {s.present(second.habit)}",
        )
    other = c.pick(nouns.pronoun, nouns.relative)(c)
    return Clause(
        f"{who.zh} {first.zh} 的 时候 ， {other.zh} 在 {second.zh}",
        f"when {s.text} {s.present(first.habit)}, {other.subject.with_be()} {gerund(second.en)}",
    )


def relative(c: Chooser) -> Clause:
    """Return the food my mom makes is delicious, this is the book I bought yesterday."""
    who = c.pick(nouns.pronoun, nouns.relative)(c)
    zh, en, classes = c.pick(
        ("买", "buy", "thing"),
        ("做", "make", "food"),
        ("喜欢", "like", "thing"),
        ("看", "read", "read"),
        ("写", "write", "write"),
        ("买", "buy", "food"),
        ("画", "paint", "animal"),
        ("修", "repair", "repair"),
    )
    entry = c.entry(classes)
    if classes == "food" and c.chance(0.5):
        entry = c.by_zh["thing", "菜"]
        noun_en, many = "food", False
    else:
        many = entry.note(1) in ("c", "p")
        noun_en = entry.en
    done = c.chance(0.5) and zh != "喜欢"
    verb = past(en) if done else who.subject.present(en)
    time = c.entry("past") if done else None
    head = f"{who.zh} {time.zh + ' ' if time else ''}{zh} 的 {entry.zh}"
    text = f"the {noun_en} {who.subject.text} {verb}{' ' + time.en if time else ''}"
    if c.chance(0.3) and not many and classes != "food":
        return Clause(f"这 是 {head}", f"this is {text}")
    tone = predicates.adjective(c, "taste" if classes == "food" else "quality", "present")
    be = "are" if many else "is"
    return Clause(f"{head} {tone.yes}", f"{text} {be} {tone.en}")


def forgetting(c: Chooser) -> Clause:
    """Return I forgot to bring money, he started to learn English, she decided to go home."""
    who, act = nouns.person(c), verbs.verb_phrase(c, simple=True)
    zh, en = c.pick(
        ("忘 了", "forgot to"),
        ("忘记", "forgot to"),
        ("开始", "started to"),
        ("决定", "decided to"),
        ("忘记 了", "forgot to"),
    )
    s = who.subject
    if c.chance(0.35):
        asker = c.pick(nouns.pronoun, nouns.relative)(c)
        verb, word = c.pick(("让", "asked"), ("叫", "asked"), ("请", "invited"), ("告诉", "told"))
        return Clause(
            f"{who.zh} {verb} {asker.zh} {act.zh}", f"{s.text} {word} {asker.object} to {act.en}"
        )
    if c.chance(0.3):
        asker = c.pick(nouns.pronoun, nouns.relative)(c)
        gave, gave_en = c.pick(("问", "asked"), ("送", "gave"), ("给", "gave"), ("借 给", "lent"))
        gift = c.entry("thing")
        if gave == "问":
            return _asking(c, who, asker)
        noun = nouns.amount(c, gift, "thing")
        return Clause(
            f"{who.zh} {gave} 了 {asker.zh} {noun.zh}",
            f"{s.text} {gave_en} {asker.object} {noun.en}",
        )
    return Clause(f"{who.zh} {zh} {act.zh}", f"{s.text} {en} {act.en}")


def _asking(c: Chooser, who: nouns.Person, asker: nouns.Person) -> Clause:
    number = c.entry("number")
    en = "a question" if number.zh == "一" else f"{number.en} questions"
    return Clause(
        f"{who.zh} 问 了 {asker.zh} {number.zh} 个 问题",
        f"{who.subject.text} asked {asker.object} {en}",
    )


COMPLEX = (
    (18, opinion),
    (12, unsure),
    (14, cause),
    (14, condition),
    (12, contrast),
    (8, togetherness),
    (8, around),
    (8, relative),
    (10, forgetting),
)


def compound(c: Chooser) -> Clause:
    """Return any sentence of two clauses."""
    return c.weighted(COMPLEX)(c)
