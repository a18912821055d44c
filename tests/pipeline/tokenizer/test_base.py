"""Rows of ids become one array."""

import numpy as np

from pipeline.tokenizer.base import padded


def test_rows_are_filled_up_on_one_side():
    assert padded([[1, 2, 3], [4]], 9, left=True).tolist() == [[1, 2, 3], [9, 9, 4]]
    assert padded([[1, 2, 3], [4]], 9, left=False).tolist() == [[1, 2, 3], [4, 9, 9]]
    assert padded([[]], 0, left=True).tolist() == [[0]]
    assert padded([[5]], 0, left=True).dtype == np.int64
