"""Rows that join and leave a running batch say what they would have said alone."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.stages.runners.decoding import WRITE_INDICES, Decoder, greedy
from pipeline.stages.runners.prefixes import Prefixes
from pipeline.stages.runners.row_batch import RowBatch
from tests.pipeline.records.made import tensor

VOCAB, CAPACITY = 97, 24


class Reader:
    """A decoder whose next token depends on every real token so far, in its order."""

    output_names = ("logits", "present.0.key")

    def __init__(self, capacity=0):
        self.capacity = capacity
        more = (WRITE_INDICES,) if capacity else ()
        names = ("input_ids", "attention_mask", "position_ids", "past_key_values.0.key", *more)
        self.input_names = names

    def run(self, feeds):
        past, ids = feeds["past_key_values.0.key"], feeds["input_ids"]
        new = ids[:, None, :, None].astype(np.float32)
        present = np.concatenate([past, new], axis=2)
        if self.capacity:
            present = past.copy()
            for row, at in enumerate(feeds[WRITE_INDICES]):
                assert at + ids.shape[1] <= self.capacity
                present[row, :, at : at + ids.shape[1]] = new[row]
        mask = feeds["attention_mask"]
        assert mask.shape == (len(ids), present.shape[2])
        counted = np.where(mask, mask.cumsum(axis=1), 0)
        assert (counted.max(axis=1) == feeds["position_ids"][:, -1] + 1).all()
        read = (present[:, 0, :, 0] * counted).sum(axis=1).astype(np.int64)
        logits = np.eye(VOCAB, dtype=np.float32)[(7 * read + 3) % VOCAB]
        return {
            "logits": np.repeat(logits[:, None], ids.shape[1], axis=1),
            "present.0.key": present,
        }


def decoder(capacity):
    inputs = [tensor("past_key_values.0.key", "batch", 1, capacity or "past", 1)]
    if capacity:
        inputs.append(tensor(WRITE_INDICES, "batch"))
    return Decoder({"model": Reader(capacity)}, inputs)


def alone(made, prompt, count):
    ids, mask = np.array([prompt]), np.ones((1, len(prompt)), np.int64)
    return greedy(made, ids, mask, start=None, end=[-1], max_new=count).tokens[0]


@pytest.mark.parametrize("capacity", [0, CAPACITY], ids=["growing", "fixed"])
def test_rows_join_and_leave(capacity):
    made = decoder(capacity)
    numbers = np.random.default_rng(0)
    prompts = [numbers.integers(1, VOCAB, n).tolist() for n in (3, 9, 5, 12, 1, 7)]
    counts = [12, 3, 9, 1, 12, 5]
    batch, rows, turn = RowBatch(made), [], 0
    said = [[] for _ in prompts]
    waiting = list(range(len(prompts)))
    while rows or waiting:
        keep = [place for place, row in enumerate(rows) if len(said[row]) < counts[row]]
        joining = [waiting.pop(0) for _ in range(min(len(waiting), turn % 3))]

        def hear(number, scores, known, joining=joining):
            said[joining[number]].append(int(scores.argmax()))

        batch.exchange(keep, [prompts[row] for row in joining], hear)
        rows = [rows[place] for place in keep] + joining
        if rows:
            for row, one in zip(rows, batch.step([said[row][-1] for row in rows]), strict=True):
                said[row].append(int(one.argmax()))
        turn += 1
    for prompt, count, got in zip(prompts, counts, said, strict=True):
        assert got[:count] == alone(made, prompt, count)
    assert len(batch) == 0


@pytest.mark.parametrize("capacity", [0, 2 * CAPACITY], ids=["growing", "fixed"])
def test_what_was_read_is_not_read_again(capacity):
    made, start = decoder(capacity), list(range(1, 13))
    batch = RowBatch(made, Prefixes(10_000))
    heard = []

    def hear(number, scores, known):
        heard.append((int(scores.argmax()), known))

    batch.exchange([], [[5] * 20, start], hear)  # a longer row beside it: it lies behind padding
    answer = [heard[1][0]]
    for _ in range(3):
        scores = batch.step([1, answer[-1]])
        answer.append(int(scores[1].argmax()))
    assert answer == alone(made, start, 4)
    batch.exchange([0], [], hear)
    turns = [*start, *answer[:3], 40, 41]  # the next turn of a chat: what was said, and more
    batch.exchange([0], [turns, [*start[:9], 50], start], hear)
    assert [known for _, known in heard] == [0, 0, 15, 9, 11]
    prompts = ([5] * 20, start, turns, [*start[:9], 50], start)
    assert [first for first, _ in heard] == [alone(made, prompt, 1)[0] for prompt in prompts]
    rows = [[5] * 20 + [1, 1, 1], *prompts[2:]]
    scores = batch.step([7, 7, 7, 7])
    after = [alone(made, [*row, 7], 1)[0] for row in rows]
    assert scores.argmax(axis=1).tolist() == after


def test_a_state_that_holds_no_positions_is_read_whole():
    """As the state of a convolution is: its beginning is not the past of a beginning."""
    inputs = [tensor("past_key_values.0.key", "batch", 1, 4, 1)]
    made = Decoder({"model": Reader()}, inputs)
    assert not made.positional
    assert RowBatch(made, Prefixes(10_000))._prefixes is None
    assert decoder(0).positional
    assert decoder(CAPACITY).positional


def test_a_cache_that_grows_is_no_wider_than_its_longest_row():
    batch = RowBatch(decoder(0))
    heard = []
    batch.exchange([], [[1, 2, 3], [4] * 10], lambda number, scores, known: heard.append(number))
    assert heard == [0, 1]
    assert batch.positions == 20
    batch.exchange([0], [], None)
    assert (len(batch), batch.positions) == (1, 3)
    batch.exchange([], [], None)
    assert (len(batch), batch.positions) == (0, 0)


def test_rows_of_an_encoder_cannot_join():
    parts = {"encoder": Reader(), "decoder": Reader()}
    inputs = [tensor("past_key_values.0.key", "batch", 1, "past", 1)]
    with pytest.raises(UsageError, match="cannot join"):
        RowBatch(Decoder(parts, inputs))
