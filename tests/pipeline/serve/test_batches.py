"""Batches of many requests' texts: each gets its own answers, and its own error."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from pipeline.serve.batches import Batcher, Text
from pipeline.serve.generator import QueueFullError


class Work:
    """Answers with capitals; fails at one text."""

    def __init__(self):
        self.calls, self.go = [], threading.Event()

    def __call__(self, texts, asked):
        assert self.go.wait(10)
        self.calls.append((asked, list(texts)))
        if "bad" in texts:
            raise ValueError("bad text")
        return [f"{text.upper()} {asked}" for text in texts]


@pytest.fixture
def work():
    made = Work()
    made.batcher = Batcher(made, size=4, waiting=3, name="batches")
    yield made
    made.go.set()
    made.batcher.close()


def texts(*words, asked=None):
    return [Text(word, asked) for word in words]


def test_each_request_gets_its_own_answers_in_its_order(work):
    futures = [
        work.batcher.submit(texts("ccc", "a")),
        work.batcher.submit(texts("bb", "dddd", "e")),
    ]
    work.go.set()
    made = [future.result(10) for future in futures]
    assert made == [["CCC None", "A None"], ["BB None", "DDDD None", "E None"]]
    assert all(len(words) <= 4 for _, words in work.calls)
    assert all(sorted(map(len, words)) == list(map(len, words)) for _, words in work.calls)


def test_texts_asked_differently_share_no_call(work):
    futures = [work.batcher.submit(texts("a", asked=n)) for n in range(2)]
    work.go.set()
    assert [future.result(10) for future in futures] == [["A 0"], ["A 1"]]
    assert {asked for asked, _ in work.calls} == {0, 1}


def test_a_text_spoils_only_its_own_request(work):
    held = work.batcher.submit(texts("first"))
    futures = [work.batcher.submit(texts("good")), work.batcher.submit(texts("bad"))]
    work.go.set()
    assert held.result(10) == ["FIRST None"]
    assert futures[0].result(10) == ["GOOD None"]
    with pytest.raises(ValueError, match="bad text"):
        futures[1].result(10)
    assert work.batcher.submit(texts("again")).result(10) == ["AGAIN None"]


def test_a_request_taken_back_is_not_answered(work):
    work.batcher.submit(texts("first"))
    back = work.batcher.submit(texts("back"))
    if back.cancel():
        work.go.set()
        work.batcher.submit(texts("last")).result(10)
        assert not any("back" in words for _, words in work.calls)


def test_more_than_may_wait_are_refused(work):
    with pytest.raises(QueueFullError):
        deque((work.batcher.submit(texts("a")) for _ in range(9)), maxlen=0)


def test_closing_answers_what_waits(work):
    future = work.batcher.submit(texts("a"))
    work.go.set()
    work.batcher.close()
    assert future.result(0) == ["A None"]
    with pytest.raises(QueueFullError):
        work.batcher.submit(texts("b"))
