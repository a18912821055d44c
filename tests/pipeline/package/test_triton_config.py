"""What a config.pbtxt says, compared whole; the check of a real package parses it with protobuf."""

from __future__ import annotations

import pytest

from pipeline.package.triton_config import MOST_ROWS, ModelConfig, rows_of
from pipeline.records.tensors import TensorSpec

IDS = TensorSpec("input_ids", "int64", ("batch", "seq"))
SCORES = TensorSpec("logits", "float32", ("batch", 3))


def test_a_batched_model_leaves_its_first_axis_to_the_server():
    config = ModelConfig(
        'a"b', "onnxruntime", (IDS,), (SCORES,), 8,
        parameters={"intra_op_thread_count": "0"}, warmup={"input_ids": (1, 5)},
    )  # fmt: skip
    assert config.text() == (
        'name: "a\\"b"\n'
        'backend: "onnxruntime"\n'
        "max_batch_size: 8\n"
        'input { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }\n'
        'output { name: "logits" data_type: TYPE_FP32 dims: [ 3 ] }\n'
        "instance_group { count: 1 kind: KIND_CPU }\n"
        "dynamic_batching { max_queue_delay_microseconds: 1000 }\n"
        'parameters { key: "intra_op_thread_count" value { string_value: "0" } }\n'
        'model_warmup { name: "ours" batch_size: 1 inputs { key: "input_ids" value '
        '{ data_type: TYPE_INT64 dims: [ 5 ] input_data_file: "input_ids" } } }\n'
    )


def test_a_streaming_model_takes_what_is_given():
    prompt = TensorSpec("prompt", "text", (1,))
    config = ModelConfig("t", "python", (prompt,), (SCORES,), optional=frozenset({"prompt"}),
                         decoupled=True)  # fmt: skip
    assert config.text() == (
        'name: "t"\n'
        'backend: "python"\n'
        "max_batch_size: 0\n"
        'input { name: "prompt" data_type: TYPE_STRING dims: [ 1 ] optional: true }\n'
        'output { name: "logits" data_type: TYPE_FP32 dims: [ -1, 3 ] }\n'
        "instance_group { count: 1 kind: KIND_CPU }\n"
        "model_transaction_policy { decoupled: true }\n"
    )


@pytest.mark.parametrize(
    ("more", "most", "rows"),
    [
        ((), 16, 16),
        ((), 10**6, MOST_ROWS),
        ((TensorSpec("scale", "float32", ()),), 16, 0),
        ((TensorSpec("table", "float32", (4, 2)),), 16, 0),
        ((TensorSpec("other", "float32", ("rows", 2)),), 16, 0),
    ],
)
def test_rows_are_put_together_where_every_value_has_them(more, most, rows):
    assert rows_of((IDS, *more), (SCORES,), most) == rows
