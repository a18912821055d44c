"""Options of a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.pack.options import PackOptions


@pytest.mark.parametrize("bad", [{"cases": 0}, {"output": Path("b.zip")}])
def test_options(bad):
    with pytest.raises(UsageError):
        PackOptions(**{"folder": Path("d"), "output": Path("b.tar"), **bad})


def test_defaults_and_types():
    made = PackOptions("d", "b.tar", variants="tensorrt-fp16")
    assert (made.folder, made.output, made.variants) == (
        Path("d"),
        Path("b.tar"),
        ("tensorrt-fp16",),
    )
    assert (made.cases, made.seed) == (3, 0)
