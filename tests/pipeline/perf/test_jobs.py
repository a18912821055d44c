import numpy as np
import onnx_ir as ir

from pipeline.perf.jobs import GENERATION, generation_job, part_jobs, part_sizes
from pipeline.records.export import GenerationSpec
from pipeline.records.tensors import SizeRange
from tests.pipeline.records.made import export_record, exported_part, tensor


def dims(**ranges):
    return {name: SizeRange(*values) for name, values in ranges.items()}


PAST = tensor("past_key_values.0.key", "batch", 2, "past", 4)
ENCODER = exported_part(
    "encoder",
    dims=dims(batch=(1, 2, 4), seq=(1, 32, 64)),
    inputs=(tensor("input_ids", "batch", "seq"),),
)
DECODER = exported_part(
    "decoder",
    dims=dims(batch=(1, 2, 16), source=(1, 32, 64), target=(1, 1, 64), past=(0, 32, 63)),
    inputs=(tensor("input_ids", "batch", "target"), PAST),
)
ALONE = exported_part(
    dims=dims(batch=(1, 2, 16), seq=(1, 32, 128), past=(0, 32, 127)),
    inputs=(tensor("input_ids", "batch", "seq"), PAST),
)


def test_a_plain_part_runs_the_grid_inside_its_ranges():
    found = list(part_sizes(ENCODER, (1, 8), (16, 500)))
    assert found == [
        ("", {"batch": 1, "seq": 16}),
        ("", {"batch": 1, "seq": 64}),
        ("", {"batch": 4, "seq": 16}),
        ("", {"batch": 4, "seq": 64}),
    ]
    assert list(part_sizes(ENCODER, (1,), ())) == [("", {"batch": 1, "seq": 32})]


def test_a_decoder_with_an_encoder_is_timed_on_one_step():
    found = list(part_sizes(DECODER, (1,), (500,)))
    assert found == [("step", {"batch": 1, "source": 64, "target": 1, "past": 62})]


def test_a_decoder_alone_is_timed_on_a_step_and_on_a_prompt():
    found = list(part_sizes(ALONE, (1,), (100,)))
    assert found == [
        ("step", {"batch": 1, "seq": 1, "past": 100}),
        ("prefill", {"batch": 1, "seq": 100, "past": 0}),
    ]


def test_jobs_carry_inputs_of_their_sizes(tmp_path):
    model = ir.from_onnx_text(
        '<ir_version: 10, opset_import: ["" : 20]> '
        "g (float[batch, seq] x) => (float[batch, seq] y) { y = Neg(x) }"
    )
    (job,) = part_jobs("model", model, [("", {"batch": 2, "seq": 7})], tmp_path)
    assert job.name == "model batch=2 seq=7"
    with np.load(job.feeds) as feeds:
        assert feeds["x"].shape == (2, 7)


def exported(parts, **special):
    return export_record(parts, generation=GenerationSpec(**special), kv_cache="concat")


def test_a_generation_is_as_long_as_the_model_allows(tmp_path):
    both = exported(
        {"encoder": ENCODER, "decoder": DECODER}, decoder_start_token_id=1, max_length=12
    )
    job = generation_job(both, tokens=16, length=32, folder=tmp_path)
    assert job.name == GENERATION
    assert job.generation.tokens == 10
    assert job.generation.start == 1
    alone = generation_job(exported({"model": ALONE}, bos_token_id=1), 16, 32, tmp_path)
    assert alone.generation.start is None
    assert alone.sizes == {"batch": 1, "prompt": 32, "tokens": 16}


def test_what_does_not_generate_has_no_such_job(tmp_path):
    assert generation_job(exported({"model": ENCODER}), 16, 32, tmp_path) is None
    assert generation_job(exported({"model": ALONE}), 0, 32, tmp_path) is None


def test_a_generation_fits_a_cache_of_fixed_size(tmp_path):
    inputs = (tensor("past_key_values.0.key", "b", 2, 24, 4), tensor("write_indices", "b"))
    static = exported({"model": exported_part(inputs=inputs)}, max_length=512)
    for tokens, length in ((16, 32), (64, 4)):
        job = generation_job(static, tokens, length, tmp_path)
        assert job.sizes["prompt"] + job.sizes["tokens"] <= 24
