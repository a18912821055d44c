"""Pieces of transposed packed tensors are found, whatever takes them; other reads are not."""

import pytest

from pipeline.fusion.packing.find import Piece, find_packings
from tests.pipeline.text_graphs import found_in

HEAD = """(float[B,S,24] x) => ({outputs}) {{
    shape = Constant<value_ints=[0, -1, 3, 2, 4]>() v = Reshape(x, shape)
    t = Transpose<perm=[2, 0, 3, 1, 4]>(v) {body} }}"""
KEPT = "float[1,B,2,S,4] a, float[1,B,2,S,4] b, float[1,B,2,S,4] c"
DROPPED = "float[B,2,S,4] a, float[B,2,S,4] b, float[B,2,S,4] c"
NUMBERS = "i0 = Constant<value_ints=[0]>() i1 = Constant<value_ints=[1]>()" \
    " i2 = Constant<value_ints=[2]>() i3 = Constant<value_ints=[3]>() "  # fmt: skip
SLICES = NUMBERS + "a = Slice(t, i0, i1, i0) b = Slice(t, i1, i2, i0) c = Slice(t, i2, i3, i0)"
GATHERS = (
    "j0 = Constant<value_int=0>() j1 = Constant<value_int=1>() j2 = Constant<value_int=-1>()"
    " a = Gather<axis=0>(t, j0) b = Gather<axis=0>(t, j1) c = Gather<axis=0>(t, j2)"
)
SPLIT = "a, b, c = Split<axis=0, num_outputs=3>(t)"
HEADS = """(float[B,S,24] x) => (float[B,4,S,4] q, float[B,1,S,4] k, float[B,1,S,4] v) {
    shape = Constant<value_ints=[0, -1, 6, 4]>() r = Reshape(x, shape)
    t = Transpose<perm=[0, 2, 1, 3]>(r) n = Constant<value_ints=[4, 1, 1]>()
    q, k, v = Split<axis=1>(t, n) }"""


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (HEAD.format(outputs=KEPT, body=SLICES), [(0, 1, False), (1, 1, False), (2, 1, False)]),
        (HEAD.format(outputs=DROPPED, body=GATHERS), [(0, 1, True), (1, 1, True), (2, 1, True)]),
        (HEAD.format(outputs=KEPT, body=SPLIT), [(0, 1, False), (1, 1, False), (2, 1, False)]),
        (HEADS, [(0, 4, False), (4, 1, False), (5, 1, False)]),
    ],
    ids=["slices", "unbind by index", "split", "grouped heads"],
)
def test_pieces_are_found_in_each_spelling(text, pieces):
    (site,) = found_in(text, find_packings)
    assert list(site.pieces) == [Piece(*piece) for piece in pieces]
    assert site.view.base.name == "x"
    assert {value.name for value in site.operands} == {"x"}
    assert [o.name for o in site.outputs] == (["q", "k", "v"] if text is HEADS else ["a", "b", "c"])


OTHER = {
    "the whole is read too": HEAD.format(
        outputs=KEPT + ", float[3,B,2,S,4] d", body=SPLIT + " d = Relu(t)"
    ),
    "the whole is an output": HEAD.format(outputs=KEPT + ", float[3,B,2,S,4] t", body=SPLIT),
    "nothing was transposed": HEAD.format(
        outputs="float[B,S,1,2,4] a, float[B,S,1,2,4] b, float[B,S,1,2,4] c",
        body="a, b, c = Split<axis=2, num_outputs=3>(v)",
    ).replace("t = Transpose<perm=[2, 0, 3, 1, 4]>(v)", ""),
    "an axis that is no factor": """(float[B,S,8] x) => (float[B,3,2] a, float[B,3,2] b) {
        shape = Constant<value_ints=[0, -1, 4, 2]>() v = Reshape(x, shape)
        t = Transpose<perm=[0, 2, 1, 3]>(v) to = Constant<value_ints=[0, -1, 2]>()
        r = Reshape(t, to) s = Constant<value_ints=[3, 3]>() a, b = Split<axis=1>(r, s) }""",
    "pieces overlap": HEAD.format(
        outputs="float[2,B,2,S,4] a, float[2,B,2,S,4] b",
        body=NUMBERS + "a = Slice(t, i0, i2, i0) b = Slice(t, i1, i3, i0)",
    ),
    "parts of every head": """(float[B,S,24] x) => (float[B,3,S,2] a, float[B,3,S,6] b) {
        shape = Constant<value_ints=[0, -1, 3, 8]>() v = Reshape(x, shape)
        t = Transpose<perm=[0, 2, 1, 3]>(v) n = Constant<value_ints=[2, 6]>()
        a, b = Split<axis=3>(t, n) }""",
    "a step": HEAD.format(
        outputs="float[2,B,2,S,4] a", body=NUMBERS + "a = Slice(t, i0, i3, i0, i2)"
    ),
    "an index computed": HEAD.format(
        outputs="float[B,2,S,4] a", body="n = Size(x) j = Mod(n, n) a = Gather<axis=0>(t, j)"
    ),
}


@pytest.mark.parametrize("text", OTHER.values(), ids=OTHER)
def test_other_reads_are_left_alone(text):
    assert found_in(text, find_packings) == []


def test_an_unused_piece_is_no_output():
    text = HEAD.format(outputs="float[1,B,2,S,4] a, float[1,B,2,S,4] c", body=SPLIT)
    (site,) = found_in(text, find_packings)
    assert [piece.start for piece in site.pieces] == [0, 2]
    assert site.form == "2 of 3"
