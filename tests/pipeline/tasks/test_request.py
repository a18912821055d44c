"""A batch of prompts: what an answer begins with behind an encoder."""

import numpy as np
import pytest

from pipeline.errors import BadModelError
from pipeline.records.export import GenerationSpec
from pipeline.tasks.options import GenerateOptions
from pipeline.tasks.request import Request


def request(**special):
    ids = np.ones((1, 2), np.int64)
    options = GenerateOptions("out", ("a",))
    return Request(ids, ids, options, GenerationSpec(**special), None, None)


@pytest.mark.parametrize(
    ("special", "start"),
    [({"decoder_start_token_id": 0}, 0), ({"decoder_start_token_id": 5, "bos_token_id": 1}, 5)],
    ids=["zero", "before the beginning of a text"],
)
def test_it_is_what_the_model_names(special, start):
    assert request(**special).start == start


def test_a_model_that_names_none_cannot_begin():
    with pytest.raises(BadModelError, match="names no token that an answer begins with") as caught:
        _ = request().start
    assert "decoder_start_token_id" in caught.value.fix
