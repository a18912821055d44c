"""`--logits last`: the same answer for the last position, and no other."""

import pytest
import torch
import transformers
from torch import nn

from pipeline.errors import ExportError, UsageError
from pipeline.stages.export.core import export_parts
from pipeline.stages.export.last_logits import last_logits
from pipeline.stages.export.load import load_parts
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.parts import ExportPart
from pipeline.stages.export.source import resolve
from pipeline.types import SILENT
from tests.pipeline.records.made import tensor

PRESETS = ("llama-tiny", "gpt2-tiny", "baichuan-tiny", "baichuan-alibi-tiny")
FUNCTION = """
import torch
def make():
    return torch.nn.Linear(8, 8), {"input": torch.ones(2, 3, 8)}
"""


def part_of(model, tmp_path, **options):
    options = ExportOptions(model=str(model), output=tmp_path, **options)
    (part,) = load_parts(resolve(str(model)), options).parts
    return part


@pytest.mark.parametrize("kv_cache", ["concat", "static", "none"])
@pytest.mark.parametrize("name", PRESETS)
def test_presets_give_the_last_row_of_all(tmp_path, name, kv_cache):
    every = part_of(name, tmp_path, kv_cache=kv_cache)
    last = part_of(name, tmp_path, kv_cache=kv_cache, logits="last")
    inputs = every.inputs.values()
    if kv_cache == "none":  # its example inputs are cut to one length when it is exported
        ids = torch.randint(3, 90, (2, 7), generator=torch.Generator().manual_seed(1))
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids),
                 "position_ids": torch.arange(7).expand(2, 7)}  # fmt: skip
        inputs = [given[key] for key in every.inputs]
    wanted, got = every.module(*inputs)[0], last.module(*inputs)[0]
    assert wanted.shape[1] > 1
    torch.testing.assert_close(got, wanted[:, -1:], rtol=0, atol=3e-5)  # other sums in float32


@pytest.mark.parametrize("kv_cache", ["concat", "static", "none"])
def test_a_checkpoint_is_exported_with_one_row_of_logits(checkpoints, tmp_path, kv_cache):
    every = part_of(checkpoints("llama"), tmp_path, kv_cache=kv_cache)
    last = part_of(checkpoints("llama"), tmp_path, kv_cache=kv_cache, logits="last")
    wanted = every.module(*every.inputs.values())[0]
    got = last.module(*last.inputs.values())[0]
    torch.testing.assert_close(got, wanted[:, -1:], rtol=0, atol=3e-5)
    opset = 24 if kv_cache == "static" else 18
    told = export_parts([last], tmp_path, "auto", opset, SILENT).parts["model"]  # proves it
    assert told.outputs[0] == tensor("logits", "batch", 1, 64)


@pytest.mark.parametrize(
    ("model", "says"),
    [("bert-tiny", "feature-extraction"), ("transformer-tiny", "translation")],
)
def test_other_tasks_are_refused(tmp_path, model, says):
    with pytest.raises(UsageError, match=says):
        part_of(model, tmp_path, logits="last")


def test_other_sources_are_refused(checkpoints, tmp_path):
    (tmp_path / "net.py").write_text(FUNCTION)
    with pytest.raises(UsageError, match="a function's model"):
        part_of(f"{tmp_path}/net.py:make", tmp_path, logits="last")
    with pytest.raises(UsageError, match="text2text-generation"):
        part_of(checkpoints("bart"), tmp_path, logits="last")


class Net(nn.Module):
    """Logits that an output layer makes, or does not."""

    def __init__(self, flat: bool, used: bool) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(8, 4), nn.Linear(4, 8)
        self.flat, self.used = flat, used

    def forward(self, ids):
        states = self.table(ids)
        if not self.used:
            return (states @ self.table.weight.T,)
        if self.flat:
            return (self.head(states.flatten(0, 1)).unflatten(0, ids.shape),)
        return (self.head(states),)


@pytest.mark.parametrize(
    ("flat", "used", "says"),
    [(False, False, "do not come from"), (True, True, "fails with one position")],
)
def test_a_head_that_cannot_be_cut_is_an_error(flat, used, says):
    net = Net(flat, used)
    part = ExportPart("model", net, {"input_ids": torch.tensor([[1, 2, 3]])}, {}, {}, ("logits",))
    with pytest.raises(ExportError, match=says):
        last_logits(part, net.head)


def test_a_model_that_names_no_output_layer_is_an_error():
    net = Net(False, True)
    part = ExportPart("model", net, {"input_ids": torch.tensor([[1, 2]])}, {}, {}, ("logits",))
    with pytest.raises(ExportError, match="names no output layer"):
        last_logits(part, None)


def test_generation_is_the_same(checkpoints, tmp_path):
    from pipeline.stages.runners.decoding import Decoder, greedy
    from pipeline.stages.runners.ort_runner import OrtRunner

    part = part_of(checkpoints("llama"), tmp_path, logits="last")
    told = export_parts([part], tmp_path, "auto", 18, SILENT).parts["model"]
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoints("llama")).eval()
    ids = torch.randint(3, 60, (2, 5), generator=torch.Generator().manual_seed(2))
    wanted = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6,
        eos_token_id=None,
    )  # fmt: skip
    with OrtRunner(tmp_path / "model.exported.onnx") as runner:
        decoder = Decoder({"model": runner}, told.inputs)
        mask = torch.ones_like(ids).numpy()
        made = greedy(decoder, ids.numpy(), mask, start=None, end=[], max_new=6)
    assert made.tokens == wanted[:, 5:].tolist()
