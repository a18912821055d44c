"""Everything that can be wrong with a text of JSON is one kind of error."""

import pytest

from pipeline.received_json import parse_json


def test_plain_data():
    assert parse_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 10**5, b'{"a":' * 10**5, b"\xff\xfe\xff"], ids=range(5)
)
def test_what_is_none_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)
