"""Beams, and what else is left to transformers, over any runner."""

import pytest
import torch

from pipeline.tasks.beams import search
from pipeline.tasks.clock import TokenClock
from pipeline.tasks.one_beam import answer
from tests.pipeline.tasks.small import SPECIAL, decoder, model, request
from tests.pipeline.tasks.test_one_beam import BEHIND, PROMPTS, theirs

WAYS = {
    "beams": {"num_beams": 3},
    "beams with a penalty": {"num_beams": 2, "repetition_penalty": 1.2},
    "drawn beams": {"num_beams": 3, "temperature": 0.9, "top_k": 30, "seed": 5},
}


@pytest.fixture(scope="module", params=["llama", "gpt2", "bart"])
def small(request):
    made = model(request.param)
    return made, decoder(made, request.param), request.param == "bart"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_tokens_are_transformers_own(small, way):
    made, steps, behind = small
    asked = request(PROMPTS, special=SPECIAL | BEHIND, left=not behind, max_new_tokens=12, **way)
    assert search(steps, asked).tolist() == theirs(made, asked, behind)


def test_whatever_else_a_model_says_is_followed(small):
    made, steps, behind = small
    given = {"left": not behind, "max_new_tokens": 12}
    plain = answer(steps, request(PROMPTS, special=SPECIAL | BEHIND, **given))
    never = sorted(set(plain[:, :2].flatten().tolist()))
    special = SPECIAL | BEHIND | {"suppress_tokens": tuple(never)}
    asked = request(PROMPTS, special=special, **given)
    found = search(steps, asked)
    assert found.tolist() == theirs(made, asked, behind)
    assert not set(found.flatten().tolist()) & set(never) - {0}


def test_a_clock_hears_each_token(small):
    _, steps, behind = small
    heard, clock = [], TokenClock()
    clock.hear = lambda ids: heard.append(ids.shape)
    given = {"special": BEHIND, "left": not behind, "max_new_tokens": 4, "clock": clock}
    search(steps, request([[5, 6]], **given))
    start = 1 if behind else 2
    assert heard == [(1, start + 1 + n) for n in range(4)]


def test_the_process_stays_as_it_was(small):
    _, steps, behind = small
    threads = torch.get_num_threads()
    torch.manual_seed(9)
    wanted = torch.rand(3)
    torch.manual_seed(9)
    asked = {"special": BEHIND, "left": not behind, "max_new_tokens": 3, "temperature": 1.0}
    search(steps, request([[5]], num_beams=2, **asked))
    assert torch.equal(torch.rand(3), wanted)
    assert torch.get_num_threads() == threads
