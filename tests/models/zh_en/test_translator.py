"""What zh-en says, and that its model card says how well."""

import json

import pytest

from models.zh_en import FOLDER
from models.zh_en.translator import Translator


@pytest.fixture(scope="module")
def translator():
    return Translator.from_folder()


@pytest.mark.parametrize(
    ("zh", "en"),
    [
        ("我今天很开心", "I'm happy today"),
        ("我今天很开心。", "I'm happy today."),
        ("他昨天没去学校。", "He didn't go to school yesterday."),
        ("她会说法语吗？", "Can she speak French?"),
    ],
)
def test_it_translates(translator, zh, en):
    assert translator.translate([zh]) == [en]


def test_company_changes_no_translation(translator):
    texts = ["我很累", "因为昨天下雨了，所以我没去公园。", "你想吃什么？"]
    assert translator.translate(texts) == [translator.translate([text])[0] for text in texts]


def test_beams_do_not_break_it(translator):
    assert translator.translate(["我今天很开心"], beams=4) == ["I'm happy today"]


def test_the_card_states_the_scores():
    scores = json.loads((FOLDER / "scores.json").read_text())
    card = (FOLDER / "MODEL_CARD.md").read_text()
    assert f"{scores['held_out_percent']:.1f} %" in card
    assert f"{scores['everyday_right']} of {scores['everyday']}" in card
    assert f"{scores['everyday_unseen_right']} of {scores['everyday_unseen']}" in card
    assert scores["held_out_percent"] >= 95
    assert scores["held_out"] >= 3000
