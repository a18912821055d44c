"""The opset is raised to the target's and never lowered."""

import pytest

from pipeline.errors import BadModelError
from pipeline.graph.normalise import normalise
from tests.pipeline.text_graphs import model_of

TEXT = "(float[B] x) => (float[B] y) { y = Neg(x) }"


@pytest.mark.parametrize(
    ("have", "target", "result"), [(13, 23, 23), (23, 18, 23), (18, None, 18), (18, 18, 18)]
)
def test_opset(have, target, result):
    model = model_of(TEXT, have)
    normalise(model, target)
    assert model.opset_imports[""] == result


def test_too_old():
    with pytest.raises(BadModelError, match="opset 6") as caught:
        normalise(model_of(TEXT, 6), 23)
    assert "18" in caught.value.fix
