"""A conversation is what the options say, and nothing of it is dropped."""

from __future__ import annotations

import json

import pytest

import pipeline
from pipeline import GenerateOptions, UsageError
from pipeline.tasks import text
from pipeline.tasks.chat import conversation
from tests.pipeline.tasks.folders import folder_for

TURNS = [{"role": "user", "content": "a cat"}, {"role": "assistant", "content": "a dog"}]


@pytest.fixture
def history(tmp_path):
    path = tmp_path / "turns.json"
    path.write_text(json.dumps(TURNS))
    return path


def options(**more):
    return GenerateOptions("m", "and then?", chat=True, **more)


def test_system_earlier_turns_and_the_text_stand_in_order(history):
    system, last = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}
    assert conversation(options(), "?") == [last]
    assert conversation(options(system="Be brief."), "?") == [system, last]
    assert conversation(options(history=history), "?") == [*TURNS, last]
    both = options(system="Be brief.", history=history)
    assert conversation(both, "?") == [system, *TURNS, last]
    history.write_text(json.dumps([system]))
    with pytest.raises(UsageError, match="system prompt of their own"):
        conversation(both, "?")


@pytest.mark.parametrize(
    "held",
    ["", "{}", '["hi"]', '[{"role": "tool", "content": "x"}]', '[{"role": "user"}]',
     '[{"role": "user", "content": 3}]', '[{"role": "user", "content": "a", "name": "b"}]'],
)  # fmt: skip
def test_what_is_no_turn_is_refused(history, held):
    history.write_text(held)
    with pytest.raises(UsageError, match="turns"):
        conversation(options(history=history), "?")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no turns can be read"):
        conversation(options(history=tmp_path / "none.json"), "?")


@pytest.mark.parametrize("more", [{"system": "Be brief."}, {"history": "turns.json"}])
def test_a_conversation_without_a_template_is_refused(more):
    with pytest.raises(UsageError, match="--chat"):
        GenerateOptions("m", "hi", **more)


def test_the_model_reads_the_whole_conversation(tmp_path, history, monkeypatch):
    rows = []
    made = text.generate_rows
    monkeypatch.setattr(text, "generate_rows", lambda *given: rows.append(given[3]) or made(*given))
    with pipeline.load(folder_for("generate", tmp_path)) as model:
        more = {"chat": True, "system": "Be brief.", "history": history, "max_new_tokens": 2}
        model.generate(["and then?", "why?"], **more)
        start = [{"role": "system", "content": "Be brief."}, *TURNS]
        asked = [[*start, {"role": "user", "content": said}] for said in ("and then?", "why?")]
        assert rows == [[model._source.tokenizer.chat(each) for each in asked]]
