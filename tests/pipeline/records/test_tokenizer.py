"""What is said about a tokenizer is read as it was written."""

import json

import pytest

from pipeline.errors import FolderError
from pipeline.records.tokenizer import TokenizerRecord

RECORD = TokenizerRecord(
    file="fast.json", special_tokens={"bos_token": "开"}, pad_token="[P]", padding_side="left",
    max_length=7, token_types=True, chat_template="{{ x }}",
)  # fmt: skip


@pytest.mark.parametrize("record", [RECORD, TokenizerRecord(reason="ways of its own")])
def test_a_record_is_read_as_it_was_written(record):
    assert TokenizerRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


@pytest.mark.parametrize(
    "change", [{"file": "../x"}, {"padding_side": "top"}, {"max_length": "7"}, {"more": 1}]
)
def test_what_it_cannot_say_is_refused(change):
    with pytest.raises(FolderError, match="damaged"):
        TokenizerRecord.from_json(RECORD.to_json() | change)
