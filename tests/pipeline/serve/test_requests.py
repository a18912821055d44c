"""Requests are checked as they are read; what would be ignored is refused by name."""

from __future__ import annotations

import json

import pytest
from openai.types.chat import ChatCompletionMessage

from pipeline.serve.refusals import RefusedError
from pipeline.serve.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    TextsRequest,
    read,
)

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def chat(**more):
    return read(json.dumps({**CHAT, **more}).encode(), ChatRequest)


def test_defaults_are_those_of_the_api():
    asked = chat()
    assert (asked.heat, asked.top_p, asked.n, asked.stream, asked.stops) == (1.0, 1.0, 1, False, ())
    assert chat(temperature=None).heat == 1.0
    assert chat(seed=7).first_seed == 7
    assert chat().first_seed != chat().first_seed


def test_an_answer_may_come_back_as_a_turn():
    answer = ChatCompletionMessage(role="assistant", content="hello").model_dump()
    assert chat(messages=[*CHAT["messages"], answer]).messages[1].plain() == {
        "role": "assistant", "content": "hello",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tools": []}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"store": True}, "store"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 0}, "n"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"seed": 2**70}, "seed"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": "", "refusal": "no"}]}, "messages"),
    ],
)
def test_a_field_that_would_be_ignored_or_is_wrong_is_refused(given, param):
    with pytest.raises(RefusedError) as caught:
        chat(**given)
    assert caught.value.status == 400
    assert caught.value.body["error"]["param"].startswith(param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"model": 1}'])
def test_what_is_no_request_is_refused(body):
    for kind in (ChatRequest, CompletionRequest, EmbeddingRequest, TextsRequest):
        with pytest.raises(RefusedError) as caught:
            read(body, kind)
        assert caught.value.status == 400


def test_a_message_may_come_in_parts():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    (turn,) = chat(messages=[{"role": "developer", "content": parts}]).messages
    assert turn.plain() == {"role": "system", "content": "ab"}


@pytest.mark.parametrize(
    ("stop", "stops"), [(None, ()), ("x", ("x",)), (["x", "yz"], ("x", "yz")), ([], ())]
)
def test_stop_strings(stop, stops):
    assert chat(stop=stop).stops == stops


@pytest.mark.parametrize("stop", ["", [""], ["x"] * 17])
def test_stop_strings_that_are_none(stop):
    with pytest.raises(RefusedError):
        _ = chat(stop=stop).stops


def test_one_text_or_several():
    assert read(b'{"model": "m", "input": "a"}', TextsRequest).texts == ["a"]
    assert read(b'{"model": "m", "input": ["a", "b"]}', TextsRequest).texts == ["a", "b"]
