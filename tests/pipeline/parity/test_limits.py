"""What a format may lose, and what the user says instead."""

import numpy as np
import pytest

from pipeline.parity.limits import DEFAULTS, Limits, judged, kind_of, limits_for
from pipeline.parity.ways import FORMATS


def test_every_format_has_defaults():
    assert set(DEFAULTS) == set(FORMATS)
    for limits in DEFAULTS.values():
        assert None not in (limits.kl, limits.drop, limits.cosine)


def test_what_the_user_says_replaces_one_default():
    found = limits_for("int4", Limits(drop=0.01))
    assert found == Limits(kl=DEFAULTS["int4"].kl, cosine=DEFAULTS["int4"].cosine, drop=0.01)


@pytest.mark.parametrize(("output", "kind"), [("logits", "logits"), ("last_hidden", "values")])
def test_scores_are_told_by_name(output, kind):
    assert kind_of(output) == kind


def test_measures_carry_their_limits():
    rows = np.random.default_rng(0).normal(size=(4, 8))
    found = judged("logits", [rows], [rows], Limits(kl=0.1))
    assert {m.name: m.limit for m in found} == {
        "kl": 0.1, "agreement": None, "cosine": None, "drop": None,
    }  # fmt: skip
