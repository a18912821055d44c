"""The parts of each kind of model: names, shapes of the contract, and a proven export."""

import onnx_ir as ir
import pytest
import transformers

from pipeline.errors import ExportError, UsageError
from pipeline.stages.export.core import export_parts
from pipeline.stages.export.hf_parts import model_parts
from pipeline.types import SILENT


def load(folder, auto):
    model = getattr(transformers, auto).from_pretrained(folder)
    return model.eval().requires_grad_(False)


def test_a_decoder_has_the_names_everyone_uses(checkpoints, tmp_path):
    model = load(checkpoints("llama"), "AutoModelForCausalLM")
    (part,) = model_parts(model, "text-generation", "concat", None)
    result = export_parts([part], tmp_path, "torchscript", 18, SILENT)
    told = result.parts["model"]
    assert {v.name: list(v.shape) for v in (*told.inputs, *told.outputs)} == {
        "input_ids": ["batch", "seq"],
        "attention_mask": ["batch", "past + seq"],
        "position_ids": ["batch", "seq"],
        "past_key_values.0.key": ["batch", 2, "past", 8],
        "past_key_values.0.value": ["batch", 2, "past", 8],
        "past_key_values.1.key": ["batch", 2, "past", 8],
        "past_key_values.1.value": ["batch", 2, "past", 8],
        "logits": ["batch", "seq", 64],
        "present.0.key": ["batch", 2, "past + seq", 8],
        "present.0.value": ["batch", 2, "past + seq", 8],
        "present.1.key": ["batch", 2, "past + seq", 8],
        "present.1.value": ["batch", 2, "past + seq", 8],
    }
    assert told.dims["past"].min == 0


def test_without_a_cache_there_is_none(checkpoints):
    model = load(checkpoints("llama"), "AutoModelForCausalLM")
    (part,) = model_parts(model, "text-generation", "none", None)
    assert list(part.inputs) == ["input_ids", "attention_mask", "position_ids"]
    assert part.outputs == ("logits",)


@pytest.mark.parametrize(("name", "dynamic"), [("bart", True), ("whisper", False)])
def test_two_halves_share_weights_and_the_cross_cache(checkpoints, tmp_path, name, dynamic):
    auto = "AutoModelForSpeechSeq2Seq" if name == "whisper" else "AutoModelForSeq2SeqLM"
    task = "automatic-speech-recognition" if name == "whisper" else "text2text-generation"
    model = load(checkpoints(name), auto)
    parts = model_parts(model, task, "concat", None)
    result = export_parts(parts, tmp_path, "torchscript", 18, SILENT)
    made = {v.name: v.shape for v in result.parts["encoder"].outputs}
    taken = {v.name: v.shape for v in result.parts["decoder"].inputs}
    cross = {key: shape for key, shape in made.items() if key.startswith("cross.")}
    assert len(cross) == 4
    assert {key: taken[key] for key in cross} == cross
    assert (cross["cross.0.key"][2] == "source") is dynamic
    decoder = ir.load(tmp_path / "decoder.exported.onnx")
    names = " ".join(decoder.graph.initializers)
    assert "encoder_attn.k_proj" not in names
    assert result.parts["decoder"].dims["past"].min == 0


def test_two_halves_without_a_cache(checkpoints):
    model = load(checkpoints("bart"), "AutoModelForSeq2SeqLM")
    encoder, decoder = model_parts(model, "text2text-generation", "none", None)
    assert encoder.outputs == ("last_hidden_state",)
    assert list(decoder.inputs) == ["input_ids", "attention_mask", "encoder_hidden_states"]


def test_a_static_cache_is_not_promised_where_there_is_none(checkpoints):
    model = load(checkpoints("bart"), "AutoModelForSeq2SeqLM")
    with pytest.raises(UsageError, match="decoders that generate text"):
        model_parts(model, "text2text-generation", "static", None)


def test_one_call_leaves_caches_and_losses_out(checkpoints):
    model = load(checkpoints("bart"), "AutoModel")
    (part,) = model_parts(model, "feature-extraction", "concat", None)
    assert part.outputs == ("last_hidden_state", "encoder_last_hidden_state")
    assert "decoder_input_ids" in part.inputs


def test_a_cache_no_graph_can_take_is_named(checkpoints, monkeypatch):
    model = load(checkpoints("llama"), "AutoModelForCausalLM")
    monkeypatch.setattr(type(model), "forward", lambda self, **_: object())
    with pytest.raises(ExportError, match="no key-value cache") as caught:
        model_parts(model, "text-generation", "concat", None)
    assert "--kv-cache none" in caught.value.fix


def test_a_model_that_fails_on_its_inputs_is_named(checkpoints, monkeypatch):
    model = load(checkpoints("bert"), "AutoModel")

    def fails(self, input_ids, attention_mask):
        raise IndexError("nothing here")

    monkeypatch.setattr(type(model), "forward", fails)
    with pytest.raises(ExportError, match="IndexError: nothing here") as caught:
        model_parts(model, "feature-extraction", "concat", None)
    assert "input_ids, attention_mask" in caught.value.where
