"""Numbers below a hundred, and ordinals, in words."""

from __future__ import annotations

HOURS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip
HOURS_ZH = ("一", "两", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
_TENS = ("ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


_TEENS = (
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)


_DIGITS = ("一", "二", "三", "四", "五", "六", "七", "八", "九")


def number(value: int, counting: bool = False) -> tuple[str, str]:
    """Return 1..99 in Chinese words and in English; `counting` says 两 for two."""
    tens, ones = divmod(value, 10)
    if tens == 0:
        zh = "两" if counting and ones == 2 else _DIGITS[ones - 1]
        return zh, HOURS[ones - 1]
    zh = " ".join(
        filter(
            None, ("" if tens == 1 else _DIGITS[tens - 1], "十", _DIGITS[ones - 1] if ones else "")
        )
    )
    if tens == 1:
        return zh, _TEENS[ones - 1] if ones else "ten"
    return zh, _TENS[tens - 1] + (f"-{HOURS[ones - 1]}" if ones else "")


def ordinal(cardinal: str) -> str:
    """Return twenty-first for twenty-one."""
    head, hyphen, last = cardinal.rpartition("-")
    irregular = {
        "one": "first",
        "two": "second",
        "three": "third",
        "five": "fifth",
        "eight": "eighth",
        "nine": "ninth",
        "twelve": "twelfth",
    }
    if last.endswith("y"):
        return head + hyphen + last[:-1] + "ieth"
    return head + hyphen + irregular.get(last, last + "th")
