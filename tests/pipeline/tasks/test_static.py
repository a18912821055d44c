"""A cache of fixed size answers as one that grows, whatever runs it, and is updated in place."""

import numpy as np
import pytest
import torch
import transformers

from pipeline import ExportOptions, OptimizeOptions, export_model, optimize_model
from pipeline.artifacts import open_folder
from pipeline.errors import UsageError
from pipeline.records.export import ExportRecord
from pipeline.stages.export.load import reload_parts
from pipeline.stages.runners.decoding import Decoder, cache_capacity, greedy
from pipeline.stages.runners.ort_runner import OrtRunner
from pipeline.stages.runners.torch_runner import TorchRunner
from pipeline.tasks.beams import search
from pipeline.tasks.one_beam import answer
from tests.pipeline.records.made import tensor
from tests.pipeline.tasks.small import request

CAPACITY = 32
STEPS = ("in-place", "rotary", "packed")
WAYS = {
    "greedy": {"max_new_tokens": 20, "repetition_penalty": 1.1},
    "beams": {"max_new_tokens": 8, "num_beams": 3},
}


@pytest.fixture(scope="module", params=["preset", "checkpoint"])
def folders(tmp_path_factory, request):
    """Return the artifact folders of one model with a growing and with a static cache."""
    model = "llama-tiny"
    if request.param == "checkpoint":
        model = str(checkpoint(tmp_path_factory.mktemp("checkpoint")))
    made = {}
    for cache, more in (("concat", {}), ("static", {"capacity": CAPACITY})):
        made[cache] = tmp_path_factory.mktemp(cache)
        export_model(ExportOptions(model, made[cache], kv_cache=cache, **more))
    found = optimize_model(OptimizeOptions(made["static"]))
    if request.param == "checkpoint":
        counts = found.facts["parts"]["model"]["counts"]
        assert all(counts[f"attention-{what}"]["fused"] == 2 for what in STEPS)
    return made


def checkpoint(folder):
    """Write a tiny Llama whose heads are wide enough for every step of attention in place."""
    config = transformers.LlamaConfig(
        vocab_size=96, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def opened(folder, stage):
    """Return a runner of one variant, and what the export says of its inputs."""
    artifact = open_folder(folder)
    exported = ExportRecord.of(artifact.require("export", ""))
    if stage == "torch":
        (part,) = reload_parts(exported.model, folder).parts
        runner = TorchRunner(part.module, tuple(part.inputs), part.outputs)
    else:
        runner = OrtRunner(folder / artifact.require(stage, "").facts["parts"]["model"]["file"])
    return runner, exported.parts["model"].inputs


@pytest.mark.parametrize("stage", ["export", "optimize.ort-cpu-fp32", "torch"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_tokens_are_those_of_a_growing_cache(folders, stage, way):
    made = []
    for folder, name in ((folders["concat"], "export"), (folders["static"], stage)):
        runner, inputs = opened(folder, name)
        asked = request([[5, 9, 31, 7], [44, 8]], special={"eos_token_id": 2}, **way)
        choose = search if "num_beams" in way else answer
        made.append(choose(Decoder({"model": runner}, inputs), asked))
    assert made[0].tolist() == made[1].tolist()


def test_it_is_stepped_in_measurements_too(folders):
    ids, mask = np.array([[5, 9, 31, 7], [0, 0, 44, 8]]), np.array([[1, 1, 1, 1], [0, 0, 1, 1]])
    told = []
    for folder in folders.values():
        runner, inputs = opened(folder, "export")
        decoder = Decoder({"model": runner}, inputs)
        told.append(greedy(decoder, ids, mask, start=None, end=[2], max_new=12).tokens)
    assert told[0] == told[1]


def test_a_step_beyond_the_capacity_is_refused(folders):
    runner, inputs = opened(folders["static"], "export")
    decoder = Decoder({"model": runner}, inputs)
    ids = np.full((2, CAPACITY - 1), 5)
    state = decoder.begin(ids, np.ones_like(ids))
    decoder.step(state, ids)
    with pytest.raises(UsageError, match="33 positions do not fit the cache of 32") as caught:
        decoder.step(state, ids[:, :2])
    assert "--capacity" in caught.value.fix
    assert decoder.step(state, ids[:, :1]).shape[:2] == (2, 1)


def test_a_growing_cache_has_no_capacity():
    growing = tensor("past_key_values.0.key", "b", 2, "p", 4)
    assert cache_capacity([growing]) == 0
    fixed, indices = tensor("past_key_values.0.key", "b", 2, 16, 4), tensor("write_indices", "b")
    assert cache_capacity([indices, fixed]) == 16
    with pytest.raises(UsageError, match="no cache's"):
        cache_capacity([indices, growing])
