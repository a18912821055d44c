import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.stages.runners.decoding import Decoder, greedy
from tests.pipeline.records.made import tensor

VOCAB, END, START = 11, 10, 9
PAST = [tensor("past_key_values.0.key", "batch", 1, "past", 1)]


class Encoder:
    """Hands the source on as the cross cache."""

    input_names, output_names = ("input_ids", "attention_mask"), ("cross.0.key",)

    def run(self, feeds):
        return {"cross.0.key": feeds["input_ids"][:, None, :, None].astype(np.float32)}


class Copier:
    """A decoder whose next token is the source's token at this position, then the end mark."""

    input_names = ("input_ids", "attention_mask", "past_key_values.0.key", "cross.0.key")
    output_names = ("logits", "present.0.key")

    def run(self, feeds):
        past = feeds["past_key_values.0.key"]
        source, real = feeds["cross.0.key"][:, 0, :, 0], feeds["attention_mask"].sum(1)
        rows, length = feeds["input_ids"].shape
        logits = np.zeros((rows, length, VOCAB), np.float32)
        for row in range(rows):
            for step in range(length):
                at = past.shape[2] + step
                token = int(source[row, at]) if at < real[row] else END
                logits[row, step, token] = 1.0
        new = feeds["input_ids"][:, None, :, None].astype(np.float32)
        return {"logits": logits, "present.0.key": np.concatenate([past, new], axis=2)}


def test_an_encoder_decoder_is_stepped_through_its_cache():
    decoder = Decoder({"encoder": Encoder(), "decoder": Copier()}, PAST)
    ids, mask = np.array([[1, 2, 3], [4, 0, 0]]), np.array([[1, 1, 1], [1, 0, 0]])
    got = greedy(decoder, ids, mask, start=START, end=[END], max_new=8)
    assert got.tokens == [[1, 2, 3], [4]]
    assert [len(row) for row in got.margins] == [4, 2]
    short = greedy(decoder, ids, mask, start=START, end=[END], max_new=2)
    assert short.tokens == [[1, 2], [4]]


class Counter:
    """A decoder-only model: the next token is the number of real positions seen so far."""

    input_names = ("input_ids", "attention_mask", "position_ids", "past_key_values.0.key")
    output_names = ("logits", "present.0.key")

    def run(self, feeds):
        past, positions = feeds["past_key_values.0.key"], feeds["position_ids"]
        assert feeds["attention_mask"].shape[1] == past.shape[2] + feeds["input_ids"].shape[1]
        logits = np.eye(VOCAB, dtype=np.float32)[positions + 1]
        new = feeds["input_ids"][:, None, :, None].astype(np.float32)
        return {"logits": logits, "present.0.key": np.concatenate([past, new], axis=2)}


def test_a_decoder_alone_counts_only_real_positions():
    decoder = Decoder({"model": Counter()}, PAST)
    ids, mask = np.array([[0, 0, 7], [5, 6, 7]]), np.array([[0, 0, 1], [1, 1, 1]])
    got = greedy(decoder, ids, mask, start=None, end=[END], max_new=4)
    assert got.tokens == [[1, 2, 3, 4], [3, 4, 5, 6]]


def test_chunks_give_the_same_cache_as_one_piece():
    decoder = Decoder({"model": Counter()}, PAST)
    ids = np.array([[1, 2, 3, 4]])
    one, two = decoder.begin(ids, ids), decoder.begin(ids, ids)
    whole = decoder.step(one, ids)
    parts = [decoder.step(two, ids[:, :3]), decoder.step(two, ids[:, 3:])]
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))
    assert (one.length, two.length) == (4, 4)
    np.testing.assert_array_equal(*(s.cache.arrays()["past_key_values.0.key"] for s in (one, two)))


def test_rows_in_another_order_keep_their_padding_and_positions():
    decoder = Decoder({"model": Counter()}, PAST)
    ids, mask = np.array([[0, 0, 7], [5, 6, 7]]), np.array([[0, 0, 1], [1, 1, 1]])
    state = decoder.begin(ids, mask)
    decoder.step(state, ids, mask)
    state.reorder(np.array([1, 1]))
    logits = decoder.step(state, np.array([[1], [1]]))
    assert logits[:, -1].argmax(-1).tolist() == [4, 4]
    assert state.mask.tolist() == [[1, 1, 1, 1]] * 2


def test_a_step_that_fails_leaves_the_state_where_it_was():
    class Fails(Counter):
        def run(self, feeds):
            if feeds["input_ids"][0, 0] == 9:
                raise UsageError("no")
            return super().run(feeds)

    decoder, ids = Decoder({"model": Fails()}, PAST), np.array([[1, 2, 3]])
    state = decoder.begin(ids, ids)
    decoder.step(state, ids)
    with pytest.raises(UsageError):
        decoder.step(state, np.array([[9]]))
    assert decoder.step(state, np.array([[1]])).argmax(-1).tolist() == [[4]]


def test_a_model_without_a_cache_is_refused():
    with pytest.raises(UsageError, match="past_key_values"):
        Decoder({"model": Counter()}, [tensor("input_ids", 1, dtype="int64")])
