"""Task and loading class come from the architecture a checkpoint names."""

import pytest

from pipeline.errors import UsageError
from pipeline.stages.export.options import TASKS
from pipeline.stages.export.tasks import AUTO_CLASSES, auto_class, infer_task


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("LlamaForCausalLM", "text-generation"),
        ("GPT2LMHeadModel", "text-generation"),
        ("BertForMaskedLM", "fill-mask"),
        ("BertModel", "feature-extraction"),
        ("T5ForConditionalGeneration", "text2text-generation"),
        ("MarianMTModel", "text2text-generation"),
        ("ViTForImageClassification", "image-classification"),
        ("Wav2Vec2ForCTC", "automatic-speech-recognition"),
    ],
)
def test_the_task_of_an_architecture(name, task):
    assert infer_task({"architectures": [name]}) == task


def test_what_the_name_alone_does_not_tell():
    speech = {"architectures": ["WhisperForConditionalGeneration"], "num_mel_bins": 80}
    assert infer_task(speech) == "automatic-speech-recognition"
    waves = {"architectures": ["MoonshineForConditionalGeneration"]}
    assert infer_task(waves) == "automatic-speech-recognition"
    sound = {"architectures": ["HubertForSequenceClassification"], "conv_kernel": [10]}
    assert infer_task(sound) == "audio-classification"
    half = {"architectures": ["T5EncoderModel"]}
    assert auto_class("feature-extraction", half) == "T5EncoderModel"
    assert infer_task({}, gguf=True) == "text-generation"
    assert infer_task({}) == "feature-extraction"
    with pytest.raises(UsageError, match="Oracle is for none of the tasks"):
        infer_task({"architectures": ["Oracle"]})


def test_every_task_has_a_class_that_exists():
    import transformers

    assert set(AUTO_CLASSES) == set(TASKS)
    for task in TASKS:
        assert hasattr(transformers, auto_class(task, {}))
    ctc = {"architectures": ["HubertForCTC"]}
    assert auto_class("automatic-speech-recognition", ctc) == "AutoModelForCTC"
