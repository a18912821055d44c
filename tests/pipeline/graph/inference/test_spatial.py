"""Convolution, pooling, resizing, spectra."""

import pytest

from tests.pipeline.graph.inference.claims import SIZES, assert_claims, shape_of

IMAGE = "(float[B,4,H,W] x, float[6,4,3,3] k, float[4,2,2,2] u) => (float[N] o) "
CASES = {
    "conv": ("o = Conv(x, k)", "B, 6, -2 + H, -2 + W"),
    "same": ("o = Conv<pads=[1,1,1,1]>(x, k)", "B, 6, H, W"),
    "patches": ("o = Conv<strides=[2,2], pads=[1,1,1,1]>(x, k)",
                "B, 6, ((1 + H) // 2), ((1 + W) // 2)"),
    "auto": ('o = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(x, k)',
             "B, 6, ((1 + H) // 2), ((1 + W) // 2)"),
    "dilated": ("o = Conv<dilations=[2,2]>(x, k)", "B, 6, -4 + H, -4 + W"),
    "transposed": ("o = ConvTranspose<strides=[2,2]>(x, u)", "B, 2, 2*H, 2*W"),
    "pool": ("o = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)", "B, 4, (H // 2), (W // 2)"),
    "pool up": ("o = AveragePool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(x)",
                "B, 4, ((1 + H) // 2), ((1 + W) // 2)"),
    "global": ("o = GlobalAveragePool(x)", "B, 4, 1, 1"),
    "doubled": ("s = Constant<value_floats=[1.0,1.0,2.0,2.0]>() o = Resize(x, , s)",
                "B, 4, 2*H, 2*W"),
    "to sizes": ("s = Constant<value_ints=[2,4,5,7]>() b = Shape(x) c = Shape<end=2>(x) "
                 "d = Constant<value_ints=[5,7]>() e = Concat<axis=0>(c, d) "
                 "o = Resize(x, , , e)", "B, 4, 5, 7"),
    "blocks": ("o = DepthToSpace<blocksize=2>(x)", "B, 1, 2*H, 2*W"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _image_sizes(monkeypatch):
    for sizes, (height, width) in zip(SIZES, ((6, 9), (11, 8)), strict=True):
        monkeypatch.setitem(sizes, "H", height)
        monkeypatch.setitem(sizes, "W", width)


@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES.keys())
def test_shapes(body, expected):
    text = IMAGE + "{" + body + "}"
    assert shape_of(text) == expected
    assert_claims(text)


def test_signals():
    text = "(float[B,64,1] x) => (float[N] o) { w = Constant<value_int=16>() \
h = HannWindow(w) s = Constant<value_int=8>() f = STFT(x, s, h) a = Constant<value_int=2>() \
g = Constant<value_int=9>() o = DFT(f, , a) }"
    assert shape_of(text) == "B, 7, 9, 2"
    assert_claims(text)
