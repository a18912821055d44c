"""A string that ends an answer is found in tokens where transformers finds it."""

import numpy as np
import pytest
import torch
from transformers import StopStringCriteria

from pipeline.tasks.stops import stops_at
from pipeline.tokenizer.through_transformers import TransformersTokenizer
from tests.pipeline.tokenizer.kinds import FAST

STRINGS = [
    ("at",),
    ("the c", "."),
    ("e\n\no",),
    ("é",),
    ("天很",),
    ("on t", "town, and in"),
    (" ",),
]
TEXT = "The cat sat on the mat.e\n\nonce upon a town, and in it é天很 the cat"


@pytest.fixture(scope="module", params=["byte_level", "byte_fallback", "unigram"])
def theirs(request):
    return FAST[request.param]()


@pytest.mark.parametrize("strings", STRINGS, ids=repr)
def test_as_transformers_does(theirs, strings):
    ours = stops_at(strings, TransformersTokenizer(theirs).bytes_of)
    try:
        wanted = StopStringCriteria(theirs, list(strings))
    except ValueError:  # it refuses a string that no token can end
        wanted = None
    chance, found = np.random.default_rng(3), 0
    spelled = theirs(TEXT, add_special_tokens=False)["input_ids"]
    for length in range(1, len(spelled) + 1):
        noise = chance.integers(0, len(theirs), length).tolist()
        batch = np.array([spelled[:length], noise])
        stopped = ours(batch).tolist()
        assert stopped == (
            [False] * 2 if wanted is None else wanted(torch.tensor(batch), None).tolist()
        )
        found += sum(stopped)
    lost = "\n" in strings[0] and "\n" not in theirs.decode(spelled)  # T5 knows no end of a line
    assert found or wanted is None or lost


PIECES = [b"s", b"to", b"pped", b"stop", b"st", b"opera", b"las", b"topper", b"at", b""]


@pytest.mark.parametrize(
    ("tokens", "stopped"),
    [([0, 1, 2], True), ([3], True), ([4, 5], True), ([6, 7], True), ([3, 8], False),
     ([4, 5, 8], False), ([0, 9, 1, 2], True), ([3, 9], False), ([1, 2], False)],
)  # fmt: skip
def test_it_ends_in_the_last_token(tokens, stopped):
    assert stops_at(("stop",), PIECES.__getitem__)(np.array([tokens])).tolist() == [stopped]
