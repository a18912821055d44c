import pytest

from pipeline.report.verdicts import cards, random_weights
from tests.pipeline.report.cells import told


def by_title(data):
    return {card.title: card for card in cards(told(data))}


def test_each_question_has_its_card(data):
    found = by_title(data)
    assert {title: card.state for title, card in found.items()} == {
        "Parity": "good",
        "Generation": "good",
        "Fusion": "bad",
        "Speed": "open",
        "Claims": "bad",
        "Engines": "open",
    }
    assert found["Parity"].detail == "exported, ort-cpu-fp32: at most 50\u202f% of the budget"
    assert found["Generation"].value == "1 of 2 equal"
    assert "1 near-tie" in found["Generation"].detail
    assert found["Fusion"].value == "1 of 2 attentions"
    assert found["Speed"].value == "unsettled"
    assert "2.00×, but the machine was busy" in found["Speed"].detail
    assert "faster in 1 of 2 settings" in found["Speed"].detail
    assert "not run here" in found["Engines"].detail


def test_a_failed_parity_names_what_failed(data):
    data["parity"]["passed"] = False
    data["parity"]["parts"]["model"]["candidates"][1]["passed"] = False
    card = by_title(data)["Parity"]
    assert (card.state, card.detail) == ("bad", "model ort-cpu-fp32")


def test_what_was_not_done_is_open_not_good(data):
    data["parity"] = data["perf"] = None
    data["stages"] = data["stages"][:1]
    data["claims"] = []
    assert {card.title: card.state for card in cards(told(data))} == {
        "Parity": "open",
        "Speed": "open",
    }


@pytest.mark.parametrize(
    ("faster", "slower", "passed", "state"),
    [(2, 0, True, "good"), (0, 2, True, "bad"), (0, 0, True, "info"), (2, 0, False, "bad")],
)
def test_speed(data, faster, slower, passed, state):
    data["perf"]["overall"][1].update(faster=faster, slower=slower)
    data["perf"]["passed"] = passed
    data["perf"]["warnings"] = []
    card = by_title(data)["Speed"]
    assert (card.state, card.value) == (state, "2.00×")


@pytest.mark.parametrize(("right", "state"), [(True, "good"), (False, "bad")])
def test_another_machine_settles_the_engines(data, right, state):
    data["elsewhere"] = [
        {"machine": {}, "when": "now", "changed": [], "file": "r.json", "measured": [
            {"name": "m.engine", "precision": "fp16", "ran": True, "right": right,
             "device": "a GPU", "latency_ms": {}, "cases": [], "median_ms": {}}]}
    ]  # fmt: skip
    assert by_title(data)["Engines"].state == state


def test_random_weights_are_noticed(data):
    assert random_weights(told(data))
    data["stages"][0]["facts"]["model"]["random_weights"] = False
    assert not random_weights(told(data))
