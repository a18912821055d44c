"""Image sides and channels, found from the graph."""

from pipeline.inputs import choose_dims, synthesize
from tests.pipeline.inputs.graphs import parsed

# 8 x 8 patches, and a table of 16 positions: only images of 32 x 32 fit.
PATCHES = """
g (float[batch, channels, height, width] pixels) => (float[batch, 2, 16] out)
<float[2, 3, 8, 8] w, float[1, 2, 16] places, int64[3] flat = {0, 2, -1}>
{ c = Conv <strides = [8, 8]> (pixels, w)  r = Reshape (c, flat)  out = Add (r, places) }
"""


def test_a_side_that_fits_the_table_is_found():
    model = parsed(PATCHES)
    assert choose_dims(model) == {"batch": 2, "channels": 3, "height": 32, "width": 32}
    assert choose_dims(model, 1)["batch"] == 3
    assert synthesize(model, {"batch": 1})["pixels"].shape == (1, 3, 32, 32)
