"""Completions: what a client hears is what the command line answers."""

from __future__ import annotations

import itertools
import json

import pytest

import pipeline
from tests.pipeline.serve.served import client_of

CHAT, PLAIN = "/v1/chat/completions", "/v1/completions"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a cat"}]


def post(client, path, **body):
    response = client.post(path, json={"model": "generate", **body})
    assert response.status_code == 200, response.text
    return response.json()


def events(client, path, **body):
    response = client.post(path, json={"model": "generate", "stream": True, **body})
    assert response.headers["content-type"].startswith("text/event-stream")
    *told, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    return [json.loads(one.removeprefix("data: ")) for one in told]


@pytest.fixture(scope="module")
def offline(folders):
    with pipeline.load(folders["generate"]) as model:
        yield model


@pytest.mark.parametrize("how", [{"temperature": 0}, {"temperature": 0.9, "top_p": 0.8, "seed": 3}])
def test_a_completion_is_the_answer_of_the_command(client, offline, how):
    made = post(client, PLAIN, prompt=["Once", "Once upon a time"], max_tokens=9, **how)
    for place, (prompt, choice) in enumerate(
        zip(["Once", "Once upon a time"], made["choices"], strict=True)
    ):
        own = {**how, "seed": how.get("seed", 0) + place}
        expected = offline.generate(prompt, max_new_tokens=9, **own)
        assert choice["text"] == expected.texts[0]
        assert (choice["index"], choice["finish_reason"]) == (place, "length")
    assert made["usage"]["completion_tokens"] == 18
    assert made["usage"]["total_tokens"] == made["usage"]["prompt_tokens"] + 18


def test_a_prompt_may_be_ids(client, offline):
    ids = offline._source.tokenizer.encode("Once upon")
    texts = [
        post(client, PLAIN, prompt=prompt, max_tokens=5, temperature=0)["choices"][0]["text"]
        for prompt in ("Once upon", ids, [ids])
    ]
    assert len(set(texts)) == 1


@pytest.mark.parametrize("path", [CHAT, PLAIN])
def test_a_stream_is_the_answer_in_pieces(client, path):
    body = {"messages": MESSAGES} if path == CHAT else {"prompt": "a cat"}
    body |= {"temperature": 0, "max_tokens": 8, "n": 2}
    whole = post(client, path, **body)["choices"]
    told = events(client, path, **body, stream_options={"include_usage": True})
    *pieces, last = told
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 16
    texts = {0: "", 1: ""}
    for piece in pieces:
        (choice,) = piece["choices"]
        texts[choice["index"]] += choice.get("text") or choice.get("delta", {}).get("content", "")
    assert list(texts.values()) == [
        choice.get("text") or choice["message"]["content"] for choice in whole
    ]
    assert len({piece["id"] for piece in told}) == 1


def test_the_next_turn_of_a_conversation_reads_what_is_new_alone(client, offline):
    turns = [
        {"role": "system", "content": "Answer as the cats of a small town would."},
        MESSAGES[1],
    ]
    first = post(client, CHAT, messages=turns, temperature=0, max_tokens=6)
    answer = first["choices"][0]["message"]
    more = [*turns, answer, {"role": "user", "content": "and then?"}]
    second = post(client, CHAT, messages=more, temperature=0, max_tokens=6, n=2)
    told = [made["usage"]["prompt_tokens_details"]["cached_tokens"] for made in (first, second)]
    before, ids = (offline._source.tokenizer.chat(said) for said in (turns, more))
    pairs = zip(before, ids, strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    assert told[0] < shared <= told[1] < second["usage"]["prompt_tokens"]
    expected = offline.generate(offline._source.tokenizer.decode(ids), max_new_tokens=6)
    for choice in second["choices"]:
        assert choice["message"]["content"] == expected.texts[0]


def test_a_conversation_goes_through_the_template(client, offline):
    made = post(client, CHAT, messages=MESSAGES, temperature=0, max_tokens=6)
    ids = offline._source.tokenizer.chat(MESSAGES)
    assert made["usage"]["prompt_tokens"] == len(ids)
    plain = post(client, PLAIN, prompt=ids, temperature=0, max_tokens=6)
    assert made["choices"][0]["message"]["content"] == plain["choices"][0]["text"]


def test_a_stop_string_ends_an_answer_and_is_not_told(client):
    text = post(client, PLAIN, prompt="a", temperature=0, max_tokens=30)["choices"][0]["text"]
    word = text[4:6]
    (choice,) = post(client, PLAIN, prompt="a", temperature=0, max_tokens=30, stop=word)["choices"]
    assert choice == {"index": 0, "text": text[: text.find(word)], "logprobs": None,
                      "finish_reason": "stop"}  # fmt: skip


def test_probabilities_add_up(client):
    body = {"messages": MESSAGES, "temperature": 0, "max_tokens": 4}
    made = post(client, CHAT, **body, logprobs=True, top_logprobs=3)
    content = made["choices"][0]["logprobs"]["content"]
    assert len(content) == 4
    for entry in content:
        assert entry["top_logprobs"][0]["logprob"] == entry["logprob"] <= 0
        assert bytes(entry["bytes"]).decode(errors="replace") == entry["token"]
    plain = post(client, PLAIN, prompt="a", temperature=0, max_tokens=4, logprobs=0)
    told = plain["choices"][0]["logprobs"]
    assert [len(told[name]) for name in ("tokens", "token_logprobs", "text_offset")] == [4, 4, 4]


def test_a_model_with_an_encoder_answers_whole(client, folders):
    made = post(client, PLAIN, model="translate", prompt=["a", "b c"], max_tokens=5, temperature=0)
    with pipeline.load(folders["translate"]) as model:
        expected = model.generate(["a", "b c"], max_new_tokens=5)
    assert [choice["text"] for choice in made["choices"]] == list(expected.texts)
    told = events(client, PLAIN, model="translate", prompt="a", max_tokens=5, temperature=0)
    assert told[0]["choices"][0]["text"] == expected.texts[0]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        (CHAT, {"model": "embed", "messages": MESSAGES}, 400, "embed answers no chats"),
        (CHAT, {"messages": MESSAGES, "top_logprobs": 2}, 400, "needs logprobs"),
        (PLAIN, {"model": "embed", "prompt": "a"}, 400, "generates no text"),
        (PLAIN, {"prompt": []}, 400, "prompt is"),
        (PLAIN, {"prompt": ["a", 1]}, 400, "prompt is"),
        (PLAIN, {"prompt": [-1]}, 400, "ids go from 0"),
        (PLAIN, {"prompt": "a", "n": 128, "max_tokens": 1}, 429, "wait"),
        (PLAIN, {"prompt": ["a", "b"], "n": 128}, 400, "at most 128"),
        (PLAIN, {"model": "translate", "prompt": [1, 2]}, 400, "texts, not ids"),
        (PLAIN, {"model": "translate", "prompt": "a", "n": 2}, 400, "does not take n"),
        (PLAIN, {"model": "translate", "prompt": "a", "logprobs": 1}, 400, "take logprobs"),
    ],
)
def test_what_cannot_be_answered_is_refused(client, path, body, status, says):
    response = client.post(path, json={"model": "generate", **body})
    assert response.status_code == status
    assert says in response.text


def test_answers_end_at_the_servers_limit(folders):
    with client_of(folders["generate"], max_new_tokens=3) as client:
        made = post(client, PLAIN, prompt="a", max_tokens=50, temperature=0)
        assert made["usage"]["completion_tokens"] == 3
