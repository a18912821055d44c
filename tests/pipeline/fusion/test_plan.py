"""Which lowerings serve which target, and in which order constructs are looked for."""

import pytest

from pipeline.errors import UsageError
from pipeline.fusion.plan import constructs, lowerings_for, plan_for
from pipeline.ort.settings import SessionSettings
from pipeline.types import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_lowers_attention_and_norms(target):
    found = lowerings_for(target)
    assert found["attention"]
    assert found["norm"]
    for lowerings in found.values():
        assert all(target in lowering.targets for lowering in lowerings)


def test_names_are_unique_and_sourced():
    for target in TARGETS:
        lowerings = [x for found in lowerings_for(target).values() for x in found]
        assert len({x.name for x in lowerings}) == len(lowerings)
        assert all(x.source.startswith("https://") for x in lowerings)


def test_attention_reads_operands_after_norms_and_rotations():
    order = [one.name for one in plan_for("ort-cpu").passes]
    assert order.index("softmax") < order.index("attention")
    assert order.index("norm") < order.index("attention")
    assert order.index("rotary") < order.index("attention")


@pytest.mark.parametrize("target", TARGETS)
def test_the_constructs_are_the_same_for_every_target(target):
    assert tuple(lowerings_for(target, precision="int8-weights")) == constructs()


def test_a_disabled_lowering_is_left_out_and_an_unknown_one_is_an_error():
    plan = plan_for("ort-cpu", ("fuse_attention_standard",))
    _counted, attention = [one for one in plan.passes if one.name == "attention"]
    assert attention.lowerings == ()
    with pytest.raises(UsageError, match="no such lowering"):
        plan_for("ort-cpu", ("fuse_everything",))


def test_the_cpu_plan_carries_its_session_settings():
    norms, half = "SkipLayerNormFusion", "NchwcTransformer"
    assert plan_for("ort-cpu").session == SessionSettings((norms,), denormals="flush")
    typed = {target: plan_for(target, precision="fp16").session for target in TARGETS}
    assert typed["ort-cpu"] == SessionSettings((norms, half), denormals="flush")
    assert typed["ort-cuda"] == SessionSettings((half,))
    assert typed["tensorrt"] == plan_for("tensorrt").session == SessionSettings()
