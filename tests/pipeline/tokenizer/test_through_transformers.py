"""A tokenizer of transformers behind the same shape, whatever it is made of."""

import numpy as np
import pytest
from transformers import StopStringCriteria

from pipeline.errors import BadModelError, UsageError
from pipeline.tokenizer.pieces import NEVER
from pipeline.tokenizer.through_transformers import TransformersTokenizer
from tests.pipeline.tokenizer.kinds import CHAT, FAST, SLOW


@pytest.mark.parametrize("kind", [*FAST, *SLOW])
def test_it_reads_and_writes_as_transformers(kind):
    theirs = (FAST | SLOW)[kind]()
    ours = TransformersTokenizer(theirs)
    ids = theirs("The cat sat.")["input_ids"]
    assert ours.encode("The cat sat.") == ids
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    assert ours.decode(ids, special=True) == theirs.decode(ids)
    assert (ours.mask_token, ours.mask_id) == (theirs.mask_token, theirs.mask_token_id)
    mode = StopStringCriteria._get_stop_string_matching_mode(theirs)
    texts, tokens = StopStringCriteria.clean_tokenizer_vocab(theirs, stop_string_matching_mode=mode)
    for text, token in zip(texts, tokens, strict=True):
        assert ours.bytes_of(token) == (text.encode() if isinstance(text, str) else text)
    assert ours.bytes_of(10**6) == NEVER


def test_a_batch_without_a_token_to_pad_with_is_one_text():
    ours = TransformersTokenizer(FAST["words"]())
    assert ours.batch(["good day"]).ids.tolist() == [[3, 2]]
    with pytest.raises(UsageError, match="no padding token"):
        ours.batch(["good day", "day"])


def test_an_end_mark_pads_where_there_is_nothing_else():
    batch = TransformersTokenizer(FAST["byte_level"]()).batch(["a", "The cat sat on the mat."])
    assert batch.mask[0, 0] == 0
    assert batch.ids.dtype == batch.mask.dtype == np.int64


def test_a_message_is_wrapped_or_the_template_is_at_fault():
    made = FAST["byte_level"]()
    message = [{"role": "user", "content": "Hi"}]
    wanted = made.apply_chat_template(message, add_generation_prompt=True)["input_ids"]
    assert TransformersTokenizer(made).chat("Hi") == wanted
    made.chat_template = CHAT + "{{ raise_exception('no') }}"
    with pytest.raises(BadModelError, match="the chat template fails: no"):
        TransformersTokenizer(made).chat("Hi")
    made.chat_template = None
    with pytest.raises(UsageError, match="no chat template"):
        TransformersTokenizer(made).chat("Hi")
