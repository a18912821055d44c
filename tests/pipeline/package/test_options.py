"""A format is named, and an environment only for what is checked."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.package.options import PackageOptions


def test_a_format_named_twice_is_packaged_once():
    assert PackageOptions("a", "b", ("genai", "optimum", "genai")).formats == ("genai", "optimum")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"formats": ()}, "no format"),
        ({"formats": ("gguf",)}, "does not exist"),
        ({"python": {"genai": "python"}}, "nothing is packaged"),
        ({"python": {"optimum": "python"}, "verify": False}, "--no-verify"),
        ({"node_modules": "js"}, "not packaged"),
        ({"formats": "transformers-js", "node_modules": "js", "verify": False}, "--no-verify"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, says):
    with pytest.raises(UsageError, match=says):
        PackageOptions("a", "b", **{"formats": ("optimum",), **given})
