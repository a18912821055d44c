"""Numbers and ordinals in two languages."""

import pytest

from training.zh_en import numbers


@pytest.mark.parametrize(
    ("value", "zh", "en", "nth"),
    [(2, "二", "two", "second"), (10, "十", "ten", "tenth"), (12, "十 二", "twelve", "twelfth"),
     (21, "二 十 一", "twenty-one", "twenty-first"), (30, "三 十", "thirty", "thirtieth")],
)  # fmt: skip
def test_numbers(value, zh, en, nth):
    assert numbers.number(value) == (zh, en)
    assert numbers.ordinal(en) == nth


def test_two_of_something_is_another_word_than_two():
    assert numbers.number(2, counting=True) == ("两", "two")
    assert numbers.number(12, counting=True) == ("十 二", "twelve")
    assert numbers.number(20, counting=True) == ("二 十", "twenty")


def test_all_of_them_differ():
    made = [numbers.number(value) for value in range(1, 100)]
    assert len({zh for zh, _ in made}) == len({en for _, en in made}) == 99
    assert [numbers.ordinal(en) for en in ("one", "eight", "twenty", "forty-five")] == [
        "first", "eighth", "twentieth", "forty-fifth",
    ]  # fmt: skip
