"""Everyday patterns that are more than subject, predicate and time."""

from __future__ import annotations

from models.zh_en import clauses, nouns, predicates
from models.zh_en.clauses import Clause
from models.zh_en.english import Subject, article, comparative, gerund, plural
from models.zh_en.lexicon import Chooser, Entry


def weather(c: Chooser) -> Clause:
    """Return it's cold in Beijing today, it rained yesterday, will it snow tomorrow?"""
    tense: predicates.Tense = c.weighted([(50, "present"), (25, "past"), (25, "future")])
    time = clauses.Time(*c.pick(("今天", "today"), ("今天", "today"), ("现在", "now"), ("外面", "outside"),
                                ("", "")))  # fmt: skip
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
    it, sky = Subject("it", pronoun=True), Subject("the weather")
    if c.chance(0.45):
        word, en = c.pick(("下雨", "rain"), ("下雪", "snow"), ("下 大 雨", "rain heavily"), ("下 小 雨", "drizzle"))
        if tense == "future":
            will = c.pick("会", "要", "会")
            return predicates.Predicate("do", en, f"{will} {word}", f"不 会 {word}", f"会 {word} 吗"), "", it
        if tense == "past":
            return predicates.Predicate("do", en, f"{word} 了", f"{c.pick('没', '没有')} {word}", f"{word} 了 吗"), "", it
        now = c.pick("在", "正在", "在")
        return predicates.Predicate("be", gerund(en), f"{now} {word}", f"没 {word}", f"在 {word} 吗"), "", it
    if c.chance(0.5):
        zh, en = c.pick(("好", "nice"), ("不错", "nice"), ("糟糕", "terrible"))
        ask = f"{zh} 吗"
        lead = "会 很 " if tense == "future" else "很 " if zh != "不错" else ""
        no = "不 会 " if tense == "future" else "不 "
        predicate = predicates.Predicate("be", en, lead + zh, no + "好" if zh == "不错" else no + zh,
                                         ("会 " if tense == "future" else "") + ask)  # fmt: skip
        return predicate, "天气", sky
    return predicates.adjective(c, "weather", tense), c.pick("", "", "天气"), it


def climate(c: Chooser) -> Clause:
    """Return winter in Beijing is cold, it often rains here."""
    if c.chance(0.3):
        zh, en = c.pick(("这里", "here"), ("那里", "there"))
        often, word = c.entry("often"), c.pick(("下雨", "rains"), ("下雪", "snows"))
        return Clause(f"{zh} {often.zh} {word[0]}", f"it {often.en} {word[1]} {en}")
    season, city = c.entry("season"), c.entry("city")
    tone = c.entry("weather")
    degree, word = c.pick(("很", ""), ("非常", "very "), ("不", "not "), ("很", ""))
    en = f"{season.en} in {city.en} is {word}{tone.en}".replace("is not", "isn't")
    return Clause(f"{city.zh} 的 {season.zh} {degree} {tone.zh}", en)


_TENS = ("ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_TEENS = ("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
          "eighteen", "nineteen")  # fmt: skip
_DIGITS = ("一", "二", "三", "四", "五", "六", "七", "八", "九")


def number(value: int, counting: bool = False) -> tuple[str, str]:
    """Return 1..99 in Chinese words and in English; `counting` says 两 for two."""
    tens, ones = divmod(value, 10)
    if tens == 0:
        zh = "两" if counting and ones == 2 else _DIGITS[ones - 1]
        return zh, clauses.HOURS[ones - 1]
    zh = " ".join(filter(None, ("" if tens == 1 else _DIGITS[tens - 1], "十",
                                _DIGITS[ones - 1] if ones else "")))  # fmt: skip
    if tens == 1:
        return zh, _TEENS[ones - 1] if ones else "ten"
    return zh, _TENS[tens - 1] + (f"-{clauses.HOURS[ones - 1]}" if ones else "")


def age(c: Chooser) -> Clause:
    """Return she's twenty years old."""
    who, value = nouns.person(c), c.random.randint(2, 99)
    zh, en = number(value, counting=True)
    this = c.pick(("", ""), ("今年 ", " this year"))
    end = c.pick("", " 了")
    if c.chance(0.15):
        return Clause(f"{who.zh} 不 是 {zh} 岁", f"{who.subject.with_be(True)} {en} years old")
    return Clause(f"{who.zh} {this[0]}{zh} 岁{end}", f"{who.subject.with_be()} {en} years old{this[1]}")


def clock(c: Chooser) -> Clause:
    """Return it's half past three, what time is it?, today is Monday, it's June now."""
    roll = c.random.random()
    now = c.pick(("现在 ", " now"), ("现在 是 ", " now"), ("", ""))
    if roll < 0.4:
        at, minute = clauses.hour(c), c.random.randint(11, 59)
        if " 半" in at.zh:
            return Clause(now[0] + at.zh, f"it's {at.en}{now[1]}")
        if c.chance(0.4):
            zh, en = number(minute)
            return Clause(f"{now[0]}{at.zh} {zh} 分", f"it's {at.en} {en}{now[1]}")
        part = c.pick(("早上 ", " in the morning"), ("下午 ", " in the afternoon"), ("晚上 ", " in the evening"), ("", ""),
                      ("", ""))  # fmt: skip
        clock_word = " o'clock" if not part[0] else ""
        return Clause(f"{now[0]}{part[0]}{at.zh}", f"it's {at.en}{clock_word}{part[1]}{now[1]}")
    day, month = c.entry("weekday"), c.entry("month")
    zh, en, was = c.pick(("今天", "today", "is"), ("明天", "tomorrow", "is"), ("昨天", "yesterday", "was"),
                         ("后天", "the day after tomorrow", "is"))  # fmt: skip
    be = c.pick("是 ", "")
    if roll < 0.75:
        if c.chance(0.12):
            return Clause(f"{zh} 不 是 {day.zh}", f"{en} {was}n't {day.en}")
        if c.chance(0.12):
            return Clause(f"{zh} 是 {day.zh} 吗", f"{was} {en} {day.en}", True)
        return Clause(f"{zh} {be}{day.zh}", f"{en} {was} {day.en}")
    if roll < 0.85:
        return c.pick(Clause(f"{zh} 星期 几", f"what day {was} {en}", True),
                      Clause(f"{zh} 是 星期 几", f"what day {was} {en}", True),
                      Clause(f"{zh} 几 号", f"what date {was} {en}", True),
                      Clause("几 点 了", "what time is it", True),
                      Clause("现在 几 点 了", "what time is it now", True),
                      Clause("现在 是 几 点", "what time is it now", True))  # fmt: skip
    date, cardinal = number(c.random.randint(1, 31))
    return Clause(f"{zh} {be}{month.zh} {date} 号", f"{en} {was} {month.en} {_ordinal(cardinal)}")


def _ordinal(cardinal: str) -> str:
    """Return twenty-first for twenty-one."""
    head, hyphen, last = cardinal.rpartition("-")
    irregular = {"one": "first", "two": "second", "three": "third", "five": "fifth",
                 "eight": "eighth", "nine": "ninth", "twelve": "twelfth"}  # fmt: skip
    if last.endswith("y"):
        return head + hyphen + last[:-1] + "ieth"
    return head + hyphen + irregular.get(last, last + "th")


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
        zh = c.pick(f"{who.zh} 叫 {name.zh}", f"{who.zh} 的 名字 是 {name.zh}", f"{who.zh} 的 名字 叫 {name.zh}")
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
            return Clause(f"{place.zh} 在 {other.zh} {side.zh} 吗", f"is {one} {side.en} {two}", True)
        return Clause(f"{place.zh} {c.pick('在', '就 在')} {other.zh} 的 {side.zh}".replace(
            " 的 ", c.pick(" 的 ", " ")), f"{one} is {side.en} {two}")  # fmt: skip
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
        act = predicates.Predicate("be", en, f"在 {zh}", f"不 在 {zh}", f"在 {zh} 吗")
        return Clause(f"{noun.zh} {act.zh(form)}", predicates.english(noun.subject, act, "present", form),
                      form == "ask")  # fmt: skip
    noun = nouns.amount(c, entry, "food" if entry in c.lexicon["food"] else "thing")
    be = "are" if noun.plural else "is"
    if c.chance(0.2):
        several = nouns.plain(entry)
        many = several != entry.en or noun.plural
        return Clause(f"{zh} 没有 {entry.zh}", f"there {'aren' if many else 'isn'}'t any {several} {en}")
    if c.chance(0.2):
        return Clause(f"{zh} 有 {noun.zh} 吗", f"{be} there {noun.en} {en}", True)
    return Clause(f"{zh} 有 {noun.zh}", f"there {be} {noun.en} {en}")


def compared(c: Chooser) -> Clause:
    """Return she's taller than me, this book isn't as expensive as that one, he's the tallest."""
    who, other = nouns.person(c), c.pick(nouns.pronoun, nouns.relative)(c)
    tone = c.entry(c.pick("trait", "trait", "feeling"))
    roll = c.random.random()
    if roll < 0.55:
        more, much = c.weighted([(70, ("", "")), (15, (" 得多", "much ")), (15, (" 一点", "a little "))])
        if c.chance(0.15):
            who_be = predicates.question(who.subject, predicates.Predicate("be", "", "", "", ""), "present")
            return Clause(f"{who.zh} 比 {other.zh} {tone.zh} 吗",
                          f"{who_be.strip()} {comparative(tone.en)} than {other.object}", True)  # fmt: skip
        return Clause(f"{who.zh} 比 {other.zh} {tone.zh}{more}",
                      f"{who.subject.with_be()} {much}{comparative(tone.en)} than {other.object}")  # fmt: skip
    if roll < 0.7:
        return Clause(f"{who.zh} 没有 {other.zh} {c.pick('', '那么 ')}{tone.zh}",
                      f"{who.subject.with_be(True)} as {tone.en} as {other.object}")  # fmt: skip
    if roll < 0.8:
        return Clause(f"{who.zh} {c.pick('和', '跟')} {other.zh} 一样 {tone.zh}",
                      f"{who.subject.with_be()} as {tone.en} as {other.object}")  # fmt: skip
    return _things_compared(c)


def _things_compared(c: Chooser) -> Clause:
    if c.chance(0.5):
        days = (("今天", "today"), ("昨天", "yesterday"), ("明天", "tomorrow"), ("这里", "this place"),
                ("北京", "Beijing"), ("上海", "Shanghai"), ("夏天", "summer"), ("冬天", "winter"))  # fmt: skip
        (zh, en), (other_zh, other_en) = c.random.sample(days, 2)
        if c.chance(0.6):
            city, town = c.entry("city"), c.entry("city")
            zh, en, other_zh, other_en = city.zh, city.en, town.zh, town.en
        tone = c.entry("weather")
        verb = "will be" if zh == "明天" else "was" if zh == "昨天" else "is"
        return Clause(f"{zh} 比 {other_zh} {tone.zh}", f"{en} {verb} {comparative(tone.en)} than {other_en}")
    noun, other = nouns.pointed(c, c.entry("thing")), nouns.owned(c, c.entry("thing"))
    tone = c.entry("quality")
    return Clause(f"{noun.zh} 比 {other.zh} {tone.zh}",
                  f"{noun.en} {noun.subject.be()} {comparative(tone.en)} than {other.en}")  # fmt: skip


def liking(c: Chooser) -> Clause:
    """Return I like music, do you like dogs?, he doesn't like coffee, I like tea and milk."""
    form = clauses.any_form(c, True)
    who = clauses.someone(c, form == "ask")
    (zh, en), (more_zh, more_en) = _liked(c), _liked(c)
    verb, word = c.weighted([(70, ("喜欢", "like")), (10, ("爱", "love")), (10, ("不 太 喜欢", "really like")),
                             (10, ("讨厌", "hate"))])  # fmt: skip
    if verb == "不 太 喜欢":
        return Clause(f"{who.zh} {verb} {zh}", f"{who.subject.text} {who.subject.do()}n't really like {en}")
    roll = c.random.random()
    if roll < 0.12:
        return Clause(f"{who.zh} {verb} {zh} 和 {more_zh}", f"{who.subject.text} {who.subject.present(word)} {en} and {more_en}")
    if roll < 0.24 and form == "yes":
        joint = c.pick("，", "， 但是", "， 可是")
        return Clause(f"{who.zh} 喜欢 {zh} {joint} 不 喜欢 {more_zh}",
                      f"{who.subject.text} {who.subject.present('like')} {en}, but {_again(who)} "
                      f"{who.subject.do()}n't like {more_en}")  # fmt: skip
    best = c.pick(("最 ", " best"), ("非常 ", " very much"), ("很 ", " very much"), ("", ""), ("", ""), ("", ""))
    if form != "yes" or verb != "喜欢":
        best = ("", "")
    act = predicates.Predicate("do", f"{word} {en}{best[1]}", f"{best[0]}{verb} {zh}", f"不 {verb} {zh}",
                               c.pick(f"{verb} {zh} 吗", f"喜 不 {verb} {zh}".replace("喜 不", f"{verb} 不")))  # fmt: skip
    return Clause(f"{who.zh} {act.zh(form)}", predicates.english(who.subject, act, "present", form), form == "ask")


def _again(who: nouns.Person) -> str:
    """Return the pronoun that takes the person up again."""
    subject = who.subject
    if subject.pronoun:
        return subject.text
    if subject.plural:
        return "we" if subject.text.endswith("and I") else "they"
    she = ("mom", "sister", "grandma", "daughter", "wife", "aunt", "girlfriend", "woman", "girl",
           "Anna", "Mary", "Xiaohong", "Wang Fang")  # fmt: skip
    return "she" if subject.text.endswith(she) else "he"


def _liked(c: Chooser) -> tuple[str, str]:
    classes = c.pick("abstract", "food", "drink", "animal", "thing", "subject")
    entry: Entry = c.entry(classes)
    if classes in ("food", "animal", "thing"):
        return entry.zh, nouns.plain(entry)
    return entry.zh, entry.en


def wanted(c: Chooser) -> Clause:
    """Return I want two apples, please give me a cup of tea, I have a headache."""
    classes = c.pick("food", "drink", "thing")
    entry, roll = c.entry(classes), c.random.random()
    noun = nouns.amount(c, entry, classes)
    if roll < 0.4:
        form = clauses.any_form(c, True)
        who = clauses.someone(c, form == "ask")
        want = c.pick("要", "想要")
        act = predicates.Predicate("do", "want " + noun.en, f"{want} {noun.zh}", f"不 {want} {noun.zh}",
                                   f"{want} {noun.zh} 吗")  # fmt: skip
        return Clause(f"{who.zh} {act.zh(form)}", predicates.english(who.subject, act, "present", form), form == "ask")
    if roll < 0.7:
        to = c.pick(("我", "me"), ("我", "me"), ("他", "him"), ("她", "her"), ("我们", "us"))
        start, en = c.pick(("请 给", "please give"), ("给", "give"), ("请 再 给", "please give"))
        more = " another" if start == "请 再 给" else ""
        if more:
            noun = nouns.Noun(f"一 {entry.note(0)} {entry.zh}", article(entry.en).split(" ", 1)[1])
            if classes != "thing" or not nouns.countable(entry):
                return wanted(c)
        return Clause(f"{start} {to[0]} {noun.zh}", f"{en} {to[1]}{more} {noun.en}")
    who = nouns.person(c)
    if roll < 0.85:
        body = c.entry("body")
        have = who.subject.present("have")
        if body.en in ("head", "stomach", "tooth", "back"):
            ache = {"head": "a headache", "stomach": "a stomachache", "tooth": "a toothache", "back": "a backache"}
            return Clause(f"{who.zh} {body.zh}{c.pick(' ', ' 很 ', ' ')}疼", f"{who.subject.text} {have} {ache[body.en]}")
        ill = c.pick(("感冒 了", "a cold"), ("发烧 了", "a fever"), ("咳嗽", "a cough"))
        return Clause(f"{who.zh} {ill[0]}", f"{who.subject.text} {have} {ill[1]}")
    zh, en = c.pick(("生病", "sick"), ("迟到", "late"), ("饿", "hungry"), ("累", "tired"), ("困", "sleepy"), ("渴", "thirsty"),
                    ("来 晚", "late"), ("准备 好", "ready"))  # fmt: skip
    return Clause(f"{who.zh} {zh} 了", f"{who.subject.with_be()} {en}")


def manner(c: Chooser) -> Clause:
    """Return he runs fast, she speaks Chinese well, I get up early every day."""
    who = nouns.person(c)
    verb, en, zh_object, object_ = c.pick(
        ("跑", "run", "", ""), ("走", "walk", "", ""), ("说", "speak", "", ""), ("吃", "eat", "", ""),
        ("睡", "sleep", "", ""), ("唱", "sing", "", ""), ("跳", "dance", "", ""), ("做", "work", "", ""),
        ("学", "learn", "", ""), ("开", "drive", "", ""), ("写", "write", "", ""), ("游", "swim", "", ""),
        ("来", "come", "", ""), ("起", "get up", "", ""), ("说", "speak", "tongue", ""),
    )  # fmt: skip
    zh_how, how = c.pick(("快", "fast"), ("慢", "slowly"), ("好", "well"), ("很 好", "well"), ("早", "early"),
                         ("晚", "late"))  # fmt: skip
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
    return Clause(f"{lead} {verb} 得 {degree[0]}{zh_how}{end}", f"{who.subject.text} {who.subject.present(en)}{object_} {degree[1]}{how}")


def ordered(c: Chooser) -> Clause:
    """Return please close the door, don't worry, let's eat, can you help me?"""
    roll = c.random.random()
    if roll < 0.3:
        entry = c.entry("polite")
        if entry.zh in ("别 忘", "放心"):
            return Clause(entry.zh, entry.en)
        return c.pick(Clause(f"请 {entry.zh}", f"please {entry.en}"), Clause(entry.zh, entry.en), Clause(f"请 你 {entry.zh}", f"please {entry.en}"))
    if roll < 0.45:
        entry = c.entry("dont")
        end = c.pick("", " 了")
        return c.pick(Clause(f"{c.pick('别', '不要')} {entry.zh}{end}", f"don't {entry.en}"),
                      Clause(f"请 {c.pick('别', '不要')} {entry.zh}", f"please don't {entry.en}"))  # fmt: skip
    act = predicates.verb_phrase(c)
    if roll < 0.65:
        lead = c.pick("我们 ", "我们 一起 ", "让 我们 ", "一起 ", "咱们 ", "我们 ")
        tail = " together" if "一起" in lead else ""
        return Clause(f"{lead}{act.zh} 吧", f"let's {act.en}{tail}")
    if roll < 0.8:
        zh, en = c.pick(("你 能", "can you"), ("你 可以", "can you"), ("我 可以", "can I"), ("我们 可以", "can we"), ("我 能", "can I"),
                        ("你 能 不 能", "can you"), ("可以", "can I"))  # fmt: skip
        if c.chance(0.4):
            help_zh, help_en = c.pick(("帮 我 一下", "help me"), ("帮 我 一 个 忙", "do me a favor"), ("帮帮 我", "help me"), ("帮助 我", "help me"),
                                      ("帮 我 开 门", "open the door for me"), ("告诉 我", "tell me"), ("等 我 一下", "wait a moment for me"))  # fmt: skip
            end = "" if "不 能" in zh else " 吗"
            return Clause(f"你 能 {help_zh}{end}" if "你" not in zh else f"{zh} {help_zh}{end}", f"can you {help_en}", True)
        end = "" if "不 能" in zh else " 吗"
        return Clause(f"{zh} {act.zh}{end}", f"{en} {act.en}", True)
    return c.pick(Clause(f"请 {act.zh}", f"please {act.en}"), Clause(f"{c.pick('别', '不要')} {act.zh}", f"don't {act.en}"),
                  Clause(f"该 {act.zh} 了", f"it's time to {act.en}"))  # fmt: skip


def journey(c: Chooser) -> Clause:
    """Return is it far from here to the airport?, I come from China, I live in Beijing."""
    roll = c.random.random()
    who = nouns.person(c)
    if roll < 0.3:
        start, end = c.entry("place"), c.entry("place")
        zh, en = c.pick(("这里", "here"), ("这儿", "here"), ("我 家", "my house"), (start.zh, start.en))
        form = c.pick("远 吗", "很 远", "不 远", "不 太 远", "有 多 远")
        lead = {"远 吗": "is it far", "很 远": "it's far", "不 远": "it isn't far", "不 太 远": "it isn't very far", "有 多 远": "how far is it"}
        return Clause(f"从 {zh} 到 {end.zh} {form}", f"{lead[form]} from {en} to {end.en}", form in ("远 吗", "有 多 远"))
    if roll < 0.45:
        place = c.pick(c.entry("place"), c.entry("city"))
        topic = place.en if place.zh != "学校" else "the school"
        form = c.pick("远 吗", "很 远", "不 远", "很 近")
        here = c.pick(("这里", "here"), ("这儿", "here"), ("我 家", "my house"))
        if form == "远 吗":
            return Clause(f"{place.zh} 离 {here[0]} 远 吗", f"is {topic} far from {here[1]}", True)
        text = {"很 远": "is far from", "不 远": "isn't far from", "很 近": "is close to"}[form]
        return Clause(f"{place.zh} 离 {here[0]} {form}", f"{topic} {text} {here[1]}")
    city = c.entry(c.pick("city", "nation"))
    form2: predicates.Form = c.weighted([(60, "yes"), (15, "no"), (25, "ask")])
    if roll < 0.7:
        house = c.chance(0.3)
        zh = f"住 在 {city.zh}" if not house else "住 在 这里"
        act = predicates.Predicate("do", "live in " + city.en if not house else "live here", zh, f"不 {zh}", f"{zh} 吗")
    elif roll < 0.85:
        zh, job = c.pick((f"在 {city.zh} 工作", "work"), (f"在 {city.zh} 学习", "study"), (f"在 {city.zh} 上 大学", "go to college"))
        act = predicates.Predicate("do", f"{job} in {city.en}", zh, f"不 {zh}", f"{zh} 吗")
    else:
        zh = f"{c.pick('来自', '从')} {city.zh}"
        zh += " 来" if zh.startswith("从") else ""
        act = predicates.Predicate("do", "come from " + city.en, zh, f"不 是 {zh} 的", f"{zh} 吗")
    if form2 == "ask":
        who = clauses.someone(c, True)
    return Clause(f"{who.zh} {act.zh(form2)}", predicates.english(who.subject, act, "present", form2), form2 == "ask")


def lasting(c: Chooser) -> Clause:
    """Return I've studied English for three years, I waited for two hours, he drank two cups."""
    who, n = nouns.person(c), c.entry("number")
    unit, en = c.pick(("年", "year"), ("个 月", "month"), ("天", "day"), ("个 小时", "hour"), ("个 星期", "week"), ("分钟", "minute"))
    span = article(en) if n.zh == "一" and en != "hour" else "an hour" if n.zh == "一" else f"{n.en} {plural(en)}"
    zh, verb = c.pick(("学 了", "study"), ("等 了", "wait"), ("睡 了", "sleep"), ("工作 了", "work"), ("玩 了", "play"), ("走 了", "walk"), ("跑 了", "run"), ("住 了", "stay"))
    return Clause(f"{who.zh} {zh} {n.zh} {unit}", f"{who.subject.text} {predicates.past(verb)} for {span}")


EVERYDAY = ((16, weather), (3, climate), (5, age), (8, clock), (8, introducing), (3, owner), (8, located),
            (8, compared), (12, liking), (10, wanted), (5, manner), (12, ordered), (8, journey), (3, lasting))  # fmt: skip


def pattern(c: Chooser) -> Clause:
    """Return any of the patterns above."""
    return c.weighted(EVERYDAY)(c)
