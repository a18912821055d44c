import numpy as np
import pytest

from pipeline.parity.generate import GenerationParity, held
from pipeline.parity.limits import Limits
from pipeline.records.export import GenerationSpec
from pipeline.records.generation import ForcedRecord
from pipeline.records.record import as_json
from pipeline.types import SILENT
from tests.pipeline.records.made import tensor

PAST = [tensor("past_key_values.0.key", "batch", 1, "past", 1)]
END = 7


class Encoding:
    """Texts are numbers; their ids are counted up to them."""

    def encode(self, texts, left=False):
        width = max(map(int, texts))
        ids = np.zeros((len(texts), width), np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, width - int(text) :], mask[row, width - int(text) :] = 1, 1
        return ids, mask

    def decode(self, ids):
        return " ".join(map(str, ids))


class Countdown:
    """Says 3, 2, 1 and ends; `tie` makes the second step nearly undecided."""

    input_names = ("input_ids", "attention_mask", "position_ids", "past_key_values.0.key")
    output_names = ("logits", "present.0.key")

    def __init__(self, tie=0.0, swap=False, noise=0.0):
        self.tie, self.swap, self.noise = tie, swap, noise

    def run(self, feeds):
        said = np.minimum(feeds["position_ids"], 9)
        last = feeds["input_ids"]
        token = np.where(said < 2, 3, np.where(last > 1, last - 1, END))
        token = np.where((last == 1) & (said < 3), 3, token)
        logits = np.eye(9)[token] * 5.0
        second = token == 2
        logits[second, 5] = 5.0 - self.tie if self.tie else 0.0
        if self.swap:
            logits[second, 5] += 2 * self.tie
        logits += self.noise * np.sin(np.arange(9))
        cache = np.concatenate(
            [feeds["past_key_values.0.key"], last[:, None, :, None].astype(np.float32)], axis=2
        )
        return {"logits": logits, "present.0.key": cache}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def compared(reference, candidate, torch):
    made = GenerationParity(
        ["2", "1"], Encoding(), PAST, GenerationSpec(eos_token_id=END), 6, False
    )
    made.reference(lambda: {"model": reference}, SILENT)
    own = made.torch("fp32", lambda: {"model": torch}, SILENT)
    return made, own, made.candidate("c", "fp32", lambda: {"model": candidate}, SILENT)


def test_equal_generations_pass():
    made, own, found = compared(Countdown(), Countdown(noise=1e-9), Countdown(noise=1e-8))
    assert own.name == "torch fp32"
    assert own.passed
    assert found.passed
    assert found.equal == 2
    assert 0 < found.forced.logit_error_max < 1e-8
    assert found.forced.agreement == 1.0
    assert made.samples()[0].output.startswith("3 2 1")


def test_a_tie_within_torchs_own_noise_is_excused():
    tied = Countdown(tie=1e-6), Countdown(tie=1e-6, swap=True)
    _, _, found = compared(*tied, Countdown(tie=1e-6, noise=1e-6))
    assert (found.passed, found.near_ties, found.failed) == (True, 2, 0)
    _, _, found = compared(*tied, Countdown(tie=1e-6, noise=1e-9))
    assert (found.passed, found.near_ties, found.failed) == (False, 0, 2)


def test_the_candidates_own_error_excuses_nothing():
    class Other(Countdown):
        def run(self, feeds):
            made = super().run(feeds)
            made["logits"] = np.roll(made["logits"], 1, axis=-1)
            return made

    _, _, found = compared(Countdown(), Other(), Countdown(noise=1e-6))
    assert found.passed is False
    assert found.equal == 0
    assert found.divergences[0].text == "2"


def test_logits_that_are_not_numbers_fail_and_are_told_as_none():
    _, _, found = compared(Countdown(), Countdown(noise=np.nan), Countdown(noise=1e-8))
    assert not found.passed
    assert found.forced.kl_max is None
    assert found.forced.logit_error_max is None
    assert as_json(found)


@pytest.mark.parametrize(
    ("kl", "limits", "passed"),
    [(0.05, Limits(kl=0.1), True), (0.2, Limits(kl=0.1), False), (None, Limits(), False),
     (0.05, Limits(agreement=0.9), False)],
)  # fmt: skip
def test_a_quantised_variant_is_held_to_its_divergence(kl, limits, passed):
    forced = ForcedRecord(positions=9, kl_mean=kl, kl_max=kl, agreement=0.8, logit_error_max=0.1)
    assert held(forced, limits)[0] is passed


def test_no_position_is_no_loss():
    assert held(None, Limits(kl=0.0)) == (True, "")
