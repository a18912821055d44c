"""Tokens as the bytes they add; equality with transformers is shown in test_fast.py."""

from pipeline.tokenizer.pieces import BYTE_FALLBACK, BYTE_LEVEL, NEVER, Pieces, kind_of

TOKENS = ["Ġa", "<0x0A>", "▁b", "<0xZZ>", "语"]


def pieces(kind, before=("abcdef",)):
    def token_of(index):
        return TOKENS[index] if index < len(TOKENS) else None

    return Pieces(token_of, lambda tokens: "".join(tokens).replace("▁", " "), list(before), kind)


def test_a_token_may_be_a_single_byte():
    assert [pieces(BYTE_LEVEL).bytes_of(i) for i in (0, 3)] == [b" a", b"<0xZZ>"]
    found = [pieces(BYTE_FALLBACK).bytes_of(i) for i in range(4)]
    assert found == ["Ġa".encode(), b"\n", b" b", b"<0xZZ>"]
    assert pieces("").bytes_of(1) == b"<0x0A>"


def test_what_no_byte_stands_for_is_text():
    assert pieces(BYTE_LEVEL).bytes_of(4) == "语".encode()


def test_an_id_without_a_token_occurs_in_no_text():
    assert pieces("").bytes_of(99) == NEVER


def test_a_vocabulary_without_the_letters_before_it_still_has_texts():
    assert pieces("", before=["[UNK]"]).bytes_of(2) == b" b"


def test_the_decoder_says_how_bytes_are_written():
    from tokenizers import decoders

    level, fallback = decoders.ByteLevel(), decoders.ByteFallback()
    assert kind_of(None) == kind_of(decoders.WordPiece()) == ""
    assert kind_of(level) == kind_of(decoders.Sequence([decoders.Fuse(), level])) == BYTE_LEVEL
    assert kind_of(decoders.Sequence([level, fallback])) == BYTE_FALLBACK
