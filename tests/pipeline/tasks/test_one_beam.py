"""Tokens chosen without transformers equal those of its generate, one for one."""

import pytest
import torch
from transformers import GenerationConfig

from pipeline.errors import BadModelError
from pipeline.tasks.beams import search
from pipeline.tasks.one_beam import answer, asks_for_more
from tests.pipeline.tasks.small import SPECIAL, decoder, model, request

PROMPTS = [[1, 5, 9, 31], [1, 44], [7, 8, 9]]
WAYS = {
    "greedy": {},
    "penalty": {"repetition_penalty": 1.1},
    "drawn": {"temperature": 1.0, "seed": 3},
    "drawn from few": {"temperature": 0.8, "top_k": 20, "top_p": 0.9, "seed": 4},
    "nothing twice": {"no_repeat_ngram_size": 2},
    "at least": {"min_new_tokens": 12},
    "drawn with a penalty": {"temperature": 1.7, "top_p": 0.8, "repetition_penalty": 1.3},
}
BEHIND = {"decoder_start_token_id": 2}
FORCED = {"forced_bos_token_id": 7, "forced_eos_token_id": 2}


@pytest.fixture(scope="module", params=["llama", "gpt2", "bart"])
def small(request):
    made = model(request.param)
    return made, decoder(made, request.param), request.param == "bart"


def theirs(made, asked, behind):
    """Return the new tokens of transformers' own generate over its own model."""
    options, special = asked.options, asked.special
    given = {"max_new_tokens": options.max_new_tokens, "num_beams": options.num_beams,
             "repetition_penalty": options.repetition_penalty, "pad_token_id": 0,
             "no_repeat_ngram_size": options.no_repeat_ngram_size,
             "min_new_tokens": options.min_new_tokens or None}  # fmt: skip
    if options.temperature:
        given |= {"do_sample": True, "temperature": options.temperature, "top_k": options.top_k,
                  "top_p": options.top_p}  # fmt: skip
    made.generation_config = GenerationConfig(**special.told())
    torch.manual_seed(options.seed)
    with torch.inference_mode():
        ids, mask = torch.from_numpy(asked.ids), torch.from_numpy(asked.mask)
        found = made.generate(ids, attention_mask=mask, **given)
    return found[:, 1 if behind else ids.shape[1] :].tolist()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("rows", [PROMPTS[:1], PROMPTS], ids=["one", "ragged"])
def test_tokens_are_transformers_own(small, way, rows):
    made, steps, behind = small
    special = SPECIAL | (BEHIND if behind else {})
    asked = request(rows, special=special, left=not behind, max_new_tokens=40, **way)
    steps.decoder.lengths.clear()
    found = answer(steps, asked).tolist()
    assert found == theirs(made, asked, behind)
    first = 1 if behind else asked.ids.shape[1]  # and after the prompt only what is new
    assert steps.decoder.lengths == [first] + [1] * (len(found[0]) - 1)


@pytest.mark.parametrize("way", [WAYS["greedy"], WAYS["drawn"]], ids=["greedy", "drawn"])
def test_what_is_forced_is_followed(small, way):
    made, steps, behind = small
    special = SPECIAL | FORCED | BEHIND
    rows = PROMPTS if behind else [[5]]
    asked = request(rows, special=special, left=not behind, max_new_tokens=9, **way)
    assert not asks_for_more(asked)
    found = answer(steps, asked).tolist()
    assert found == theirs(made, asked, behind)
    assert [row[0] for row in found] == [7] * len(rows)


OWN = {
    "few words": {"no_repeat_ngram_size": 2, "min_length": 9, "repetition_penalty": 1.2},
    "drawn": {"do_sample": True, "temperature": 0.7, "top_k": 12, "top_p": 0.9},
    "beams": {"num_beams": 3, "length_penalty": 2.0, "early_stopping": True, "min_length": 8},
}


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
def test_the_model_s_own_generation_is_obeyed(small, own):
    made, steps, behind = small
    quiet = {"suppress_tokens": (11, 12), "begin_suppress_tokens": (5,), "own": own}
    special = SPECIAL | BEHIND | quiet
    asked = request(PROMPTS, special=special, left=not behind, max_new_tokens=20, seed=2)
    found = (search if "num_beams" in own else answer)(steps, asked).tolist()
    made.generation_config = GenerationConfig(**asked.special.told())
    torch.manual_seed(2)
    with torch.inference_mode():
        ids, mask = torch.from_numpy(asked.ids), torch.from_numpy(asked.mask)
        wanted = made.generate(ids, attention_mask=mask, max_new_tokens=20, pad_token_id=0)
    assert found == wanted[:, 1 if behind else ids.shape[1] :].tolist()
    greedy = request(PROMPTS, special=SPECIAL | BEHIND, left=not behind, max_new_tokens=20)
    assert behind or found != answer(steps, greedy).tolist()  # bart's answers end at once


def test_rows_end_where_one_of_the_end_marks_comes(small):
    made, steps, behind = small
    free = answer(steps, request(PROMPTS, special=BEHIND, left=not behind, max_new_tokens=12))
    ends = sorted({int(free[0, 3]), int(free[1, 1])})
    special = SPECIAL | BEHIND | {"eos_token_id": tuple(ends)}
    asked = request(PROMPTS, special=special, left=not behind, max_new_tokens=12)
    found = answer(steps, asked).tolist()
    assert found == theirs(made, asked, behind)
    assert any(row[-1] == 0 for row in found) or len(found[0]) < 12


def test_a_string_ends_an_answer_as_it_does_in_transformers(small):
    _, steps, behind = small
    special = SPECIAL | BEHIND
    given = {"special": special, "left": not behind, "max_new_tokens": 12}
    free = answer(steps, request(PROMPTS[:1], **given))[0].tolist()
    word = "".join(chr(32 + token) for token in free[3:5])
    found = answer(steps, request(PROMPTS[:1], stop=(word, "never"), **given))[0].tolist()
    assert found == free[:5]
    assert search(steps, request(PROMPTS[:1], stop=(word,), **given))[0].tolist() == found


@pytest.mark.parametrize(
    ("options", "special", "more"),
    [({}, {}, ()), ({"num_beams": 2}, {}, ("num_beams",)), ({}, FORCED | BEHIND, ()),
     ({}, {"suppress_tokens": (3,), "max_length": 5}, ()),
     ({}, {"own": {"num_beams": 3, "do_sample": True}}, ("num_beams",)),
     ({"num_beams": 1}, {"own": {"num_beams": 3, "min_p": 0.1}}, ("min_p",))],
)  # fmt: skip
def test_what_is_not_followed_here_is_named(options, special, more):
    assert asks_for_more(request(PROMPTS, special=SPECIAL | special, **options)) == more


def test_an_answer_needs_a_token_to_begin_with():
    made = model("bart")
    with pytest.raises(BadModelError, match="no token that an answer begins with"):
        answer(decoder(made, "bart"), request([[5]], special={"eos_token_id": 2}, left=False))
