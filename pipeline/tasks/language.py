"""Languages of a translator: the token around a text, and the one that an answer begins with."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import UsageError
from pipeline.tokenizer.base import TextTokenizer


def language_id(tokenizer: TextTokenizer, code: str) -> int:
    """Return the token of a language.

    Args:
        tokenizer: Has a token for each of its languages.
        code: As the tokenizer writes it, such as `fra_Latn` or `fr_XX`, or `fr` where it has a
            token `__fr__`.

    Raises:
        UsageError: It has no such language.
    """
    for token in (code, f"__{code}__"):
        found = tokenizer.id_of(token)
        if found is not None and tokenizer.decode([found]) == "":  # a special token
            return found
    raise UsageError(
        f"the tokenizer has no language {code!r}",
        fix="name one as its special tokens do: fra_Latn, fr_XX, or fr for __fr__",
    )


def from_language(tokenizer: TextTokenizer, row: Sequence[int], code: str) -> list[int]:
    """Return a text's ids with another language before or behind it.

    Raises:
        UsageError: The tokenizer has no such language, or marks none in a text.
    """
    wanted = language_id(tokenizer, code)
    frame = tokenizer.encode("")
    marks = [token for token in frame if _names_language(tokenizer, token)]
    if len(marks) != 1:
        raise UsageError("the tokenizer marks no language in a text", fix="leave --source-lang out")
    return [wanted if token == marks[0] else token for token in row]


def _names_language(tokenizer: TextTokenizer, token: int) -> bool:
    """Return whether a token that stands around every text is a language's: a code, no mark."""
    text = tokenizer.decode([token], special=True).strip()
    plain = text.strip("_")
    return not text.startswith("<") and not text.startswith("[") and 2 <= len(plain) <= 8
