"""Jobs of one generator: decoded together, in turn, and free of each other's faults."""

from __future__ import annotations

import queue
import threading

import numpy as np
import pytest

from pipeline.serve.generator import Ended, Generator, Job, QueueFullError
from pipeline.stages.runners.decoding import Decoder
from pipeline.tasks.answer import Answer
from pipeline.tasks.loop import Choices
from tests.pipeline.records.made import tensor
from tests.pipeline.stages.runners.test_row_batch import Reader, alone, decoder

POISON = 96


class Fragile(Reader):
    """A decoder that fails where it is given one token, and says how many rows it saw."""

    def __init__(self):
        super().__init__()
        self.rows, self.go = [], threading.Event()
        self.go.set()

    def run(self, feeds):
        assert self.go.wait(10)
        if (feeds["input_ids"] == POISON).any():
            raise ValueError("poisoned")
        self.rows.append(len(feeds["input_ids"]))
        return super().run(feeds)


@pytest.fixture
def fragile():
    runner = Fragile()
    inputs = [tensor("past_key_values.0.key", "batch", 1, "past", 1)]
    runner.generator = Generator(
        Decoder({"model": runner}, inputs), rows=3, waiting=2, name="generator"
    )
    yield runner
    runner.go.set()
    runner.generator.close()


def job(prompt, count=6, **more):
    heard = queue.SimpleQueue()
    made = Job(prompt, Answer(prompt, Choices(limit=len(prompt) + count)), heard.put, **more)
    made.heard = heard
    return made


def ended(one):
    """Return the tokens of a job and its end."""
    tokens = []
    while not isinstance(event := one.heard.get(timeout=10), Ended):
        tokens.append(event.token)
    return tokens, event


def test_answers_are_those_of_texts_decoded_alone(fragile):
    fragile.go.clear()
    jobs = [job([n + 1, n + 2], 3 + n) for n in range(5)]
    fragile.generator.submit(jobs)
    fragile.go.set()
    for one in jobs:
        tokens, end = ended(one)
        assert tokens == alone(decoder(0), one.prompt, len(tokens))
        assert end == Ended("length")
    assert max(fragile.rows) == 3


def test_more_than_may_wait_are_refused_all_or_none(fragile):
    fragile.go.clear()
    first = [job([1, 2]) for _ in range(3)]
    fragile.generator.submit(first)
    with pytest.raises(QueueFullError):
        fragile.generator.submit([job([1]) for _ in range(6)])
    fragile.go.set()
    assert all(ended(one)[1].ending == "length" for one in first)


def test_a_job_nobody_wants_gives_its_row_away(fragile):
    fragile.go.clear()
    jobs = [job([1, 2], 1000), job([3], 4)]
    fragile.generator.submit(jobs)
    jobs[0].left.set()
    fragile.go.set()
    assert ended(jobs[1])[0] == alone(decoder(0), [3], 4)
    tokens, end = ended(jobs[0])
    assert end == Ended(None)
    assert len(tokens) < 4


def test_an_error_is_told_to_its_turn_and_the_next_works(fragile):
    bad = job([POISON])
    fragile.generator.submit([bad])
    assert str(ended(bad)[1].error) == "poisoned"
    good = job([5, 6])
    fragile.generator.submit([good])
    assert ended(good)[0] == alone(decoder(0), [5, 6], 6)
    assert fragile.generator.alive


def test_probabilities_are_those_of_the_scores(fragile):
    one = job([5], 1, logprobs=2)
    fragile.generator.submit([one])
    event = one.heard.get(timeout=10)
    share = np.e / (np.e + 96)  # the fake's scores are one 1 among zeros
    assert event.logprob == pytest.approx(np.log(share))
    assert event.likeliest[0] == (event.token, event.logprob)
    assert len(event.likeliest) == 2


def test_closing_ends_what_runs(fragile):
    one = job([1], 10_000_000)
    fragile.generator.submit([one])
    one.heard.get(timeout=10)
    fragile.generator.close()
    assert ended(one)[1].ending is None
    assert not fragile.generator.alive
    with pytest.raises(QueueFullError):
        fragile.generator.submit([job([1])])
