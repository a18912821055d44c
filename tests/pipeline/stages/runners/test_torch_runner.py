import ml_dtypes
import numpy as np
import pytest
import torch

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError
from pipeline.stages.runners.torch_runner import (
    DTYPES,
    TorchOptions,
    TorchRunner,
    to_array,
    to_tensor,
)


class Pair(torch.nn.Module):
    """Returns nested tensors, as decoders with a cache do."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(3.0))

    def forward(self, ids, x):
        return {"y": x * self.scale, "cache": ((ids + 1, None),)}


def runner(**options):
    return TorchRunner(Pair(), ("ids", "x"), ("y", "ids1"), TorchOptions(**options))


FEEDS = {"ids": np.array([1, 2]), "x": np.array([0.1, 0.2], np.float32)}


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_floats_take_the_precision_and_integers_keep_theirs(dtype):
    got = runner(dtype=dtype).run(FEEDS)
    assert got["y"].dtype == np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    assert got["ids1"].dtype == np.int64
    expected = torch.tensor(FEEDS["x"]).to(DTYPES[dtype]) * 3.0
    np.testing.assert_array_equal(got["y"], to_array(expected))


def test_missing_inputs_are_named():
    with pytest.raises(UsageError, match="x"):
        runner().run({"ids": FEEDS["ids"]})


def test_another_number_of_results_is_told():
    made = TorchRunner(Pair(), ("ids", "x"), ("y",))
    with pytest.raises(BadModelError, match="2 tensors, 1 were expected"):
        made.run(FEEDS)


def test_cuda_that_is_absent_is_an_error():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EnvironmentMissingError):
        runner(device="cuda")


def test_bfloat16_round_trip_keeps_bits():
    given = np.array([[1.5, -0.0], [np.inf, 3e-39]], ml_dtypes.bfloat16)
    back = to_array(to_tensor(given))
    np.testing.assert_array_equal(back.view(np.uint16), given.view(np.uint16))


def test_prepared_calls_run_the_module():
    call = runner().prepare(FEEDS)
    assert call() is None
    assert runner().describe()["precision"] == "float32"


class Upcasts(torch.nn.Module):
    """Does what transformers do: parts of the work in float32 by name."""

    def forward(self, x):
        mean = x.to(torch.float32).mean(-1, keepdim=True)
        soft = torch.nn.functional.softmax(x, dim=-1, dtype=torch.float32)
        return (x.float() - mean) * soft.to(x.dtype)


def test_a_float64_reference_stays_float64_where_the_model_says_float32():
    x = np.random.default_rng(0).normal(size=(4, 9))
    made = TorchRunner(Upcasts(), ("x",), ("y",), TorchOptions(dtype="float64"))
    exact = (x - x.mean(-1, keepdims=True)) * (np.exp(x) / np.exp(x).sum(-1, keepdims=True))
    got = made.run({"x": x})["y"]
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, exact, rtol=1e-12)  # float32 steps leave 1e-7
