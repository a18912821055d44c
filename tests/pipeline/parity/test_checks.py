import numpy as np

from pipeline.parity.checks import Applicable, run_checks
from pipeline.parity.results import Case
from tests.pipeline.records.made import tensor

ENCODER = Applicable(
    [tensor("input_ids", "batch", "seq"), tensor("attention_mask", "batch", "seq")],
    [tensor("hidden", "batch", "seq"), tensor("pooled", "batch")],
    [
        Case(
            "c",
            "plain",
            {"batch": 3, "seq": 5},
            {"input_ids": np.arange(15).reshape(3, 5), "attention_mask": np.ones((3, 5))},
        )
    ],
)
DECODER = Applicable(
    [
        tensor("input_ids", "batch", "seq"),
        tensor("attention_mask", "batch", "past + seq"),
        tensor("past_key_values.0.key", "batch", 1, "past", 1),
    ],
    [tensor("logits", "batch", "seq", 1), tensor("present.0.key", "batch", 1, "past + seq", 1)],
    [
        Case(
            "c",
            "plain",
            {"batch": 2, "seq": 4, "past": 3},
            {
                "input_ids": np.arange(8).reshape(2, 4),
                "attention_mask": np.ones((2, 7)),
                "past_key_values.0.key": np.ones((2, 1, 3, 1)),
            },
        )
    ],
)


def encoder(feeds):
    mask = feeds["attention_mask"]
    pooled = (feeds["input_ids"] * mask).sum(1) / mask.sum(1)
    return {"hidden": feeds["input_ids"] - pooled[:, None], "pooled": pooled}


def decoder(feeds):
    new = feeds["input_ids"][:, None, :, None].astype(float)
    cache = np.concatenate([feeds["past_key_values.0.key"], new], axis=2)
    assert feeds["attention_mask"].shape[1] == cache.shape[2]
    sums = np.cumsum(cache[:, 0], axis=1)[:, -new.shape[2] :]
    return {"logits": sums, "present.0.key": cache}


def names(checks):
    return {check.name for check in checks}


def test_an_encoder_is_checked_row_by_row():
    checks = run_checks(encoder, ENCODER)
    assert names(checks) == {"repeated runs", "identical rows", "permuted rows", "padded rows"}
    assert max(check.errors.max for check in checks) < 1e-12


def test_a_decoder_is_checked_in_chunks():
    checks = run_checks(decoder, DECODER)
    assert names(checks) == {
        "repeated runs",
        "identical rows", "permuted rows", "padded rows", "chunked prefill",
    }  # fmt: skip
    chunked = [check for check in checks if check.name == "chunked prefill"]
    assert [check.output for check in chunked] == ["logits"]
    assert max(check.errors.max for check in checks) == 0


def test_faults_show():
    def ignores_mask(feeds):
        return encoder({**feeds, "attention_mask": np.ones_like(feeds["attention_mask"])})

    def forgets(feeds):
        out = decoder(feeds)
        return {**out, "logits": np.cumsum(feeds["input_ids"][:, :, None], axis=1)}

    def sees_padding(feeds):
        out = decoder(feeds)
        return {**out, "logits": out["logits"] + feeds["input_ids"].sum(1)[:, None, None]}

    behind = [c for c in run_checks(sees_padding, DECODER) if c.name == "padded rows"]
    assert max(check.errors.max for check in behind) >= 1
    padded = [c for c in run_checks(ignores_mask, ENCODER) if c.name == "padded rows"]
    assert max(check.errors.max for check in padded) > 0.1
    chunked = [c for c in run_checks(forgets, DECODER) if c.name == "chunked prefill"]
    assert max(check.errors.max for check in chunked) >= 1


def test_one_row_cannot_be_checked():
    feeds = {"input_ids": np.ones((1, 5)), "attention_mask": np.ones((1, 5))}
    case = Case("c", "plain", {"batch": 1, "seq": 5}, feeds)
    found = run_checks(encoder, Applicable(ENCODER.inputs, ENCODER.outputs, [case]))
    assert names(found) == {"repeated runs"}
