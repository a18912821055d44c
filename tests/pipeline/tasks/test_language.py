"""Languages of translators, by the tokens of their tokenizers."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.tasks.language import from_language, language_id

VOCABULARY = {"eng_Latn": 10, "fra_Latn": 11, "__en__": 20, "__fr__": 21, "</s>": 2, "cat": 5}


class Tokenizer:
    """A tokenizer that frames a text with these tokens."""

    def __init__(self, before, behind):
        self.before, self.behind = before, behind

    def id_of(self, token):
        return VOCABULARY.get(token)

    def encode(self, text):
        return [*self.before, *([5] if text else []), *self.behind]

    def decode(self, ids, *, special=False):
        names = {number: token for token, number in VOCABULARY.items()}
        return "".join(names[i] for i in ids if special or i == 5)


NLLB, M2M, PLAIN = Tokenizer([10], [2]), Tokenizer([20], [2]), Tokenizer([], [2])


def test_a_code_is_a_token_or_stands_in_one():
    assert language_id(NLLB, "fra_Latn") == 11
    assert language_id(M2M, "fr") == 21
    for code in ("de", "cat"):  # no token; a word, not a language
        with pytest.raises(UsageError, match=f"no language {code!r}"):
            language_id(NLLB, code)


def test_the_mark_of_a_text_s_language_is_exchanged():
    assert from_language(NLLB, [10, 5, 2], "fra_Latn") == [11, 5, 2]
    assert from_language(M2M, [20, 5, 2], "fr") == [21, 5, 2]
    with pytest.raises(UsageError, match="marks no language"):
        from_language(PLAIN, [5, 2], "fr")
