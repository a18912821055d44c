"""Which task a checkpoint is for, and the transformers class that loads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import UsageError
from pipeline.stages.export.options import TASKS

AUTO_CLASSES = {
    "text-generation": "AutoModelForCausalLM",
    "text2text-generation": "AutoModelForSeq2SeqLM",
    "translation": "AutoModelForSeq2SeqLM",
    "automatic-speech-recognition": "AutoModelForSpeechSeq2Seq",
    "feature-extraction": "AutoModel",
    "fill-mask": "AutoModelForMaskedLM",
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "multiple-choice": "AutoModelForMultipleChoice",
    "image-classification": "AutoModelForImageClassification",
    "audio-classification": "AutoModelForAudioClassification",
}

# The end of a class name, as transformers names its heads, and what the head is for.
HEADS = (
    ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"),
    ("ForMaskedLM", "fill-mask"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"),
    ("ForMultipleChoice", "multiple-choice"),
    ("ForImageClassification", "image-classification"),
    ("ForAudioClassification", "audio-classification"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("ForCTC", "automatic-speech-recognition"),
    ("MTModel", "text2text-generation"),
    ("ForConditionalGeneration", "text2text-generation"),
    ("ForPreTraining", "feature-extraction"),
    ("Model", "feature-extraction"),
)


def infer_task(config: Mapping[str, Any], gguf: bool = False, sentences: bool = False) -> str:
    """Return the task the checkpoint's first architecture is for.

    Args:
        config: The content of config.json.
        gguf: Whether it was read from a GGUF file, which names no architecture; those decode.
        sentences: Whether it is a sentence encoder, whatever its architecture's head was.

    Raises:
        UsageError: The configuration names none that is known.
    """
    names = [str(name) for name in config.get("architectures") or []]
    if sentences:
        return "feature-extraction"
    if gguf and not names:
        return "text-generation"
    for name in names[:1]:
        if name.endswith("ForConditionalGeneration") and _hears(name, config):
            return "automatic-speech-recognition"
        if name.endswith("ForSequenceClassification") and "conv_kernel" in config:
            return "audio-classification"
        for ending, task in HEADS:
            if name.endswith(ending):
                return task
    if not names:
        return "feature-extraction"
    raise UsageError(
        f"{names[0]} is for none of the tasks there are: {', '.join(TASKS)}",
        where="architectures in config.json",
        fix="--task feature-extraction exports what its body gives; for its head, wrap it in a "
        "function that returns the model and example inputs: file.py:function",
    )


def _hears(name: str, config: Mapping[str, Any]) -> bool:
    """Return whether a class that generates takes sound: by its configuration, or transformers."""
    if "num_mel_bins" in config:
        return True
    from transformers.models.auto import modeling_auto

    return name in modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES.values()


def auto_class(task: str, config: Mapping[str, Any], sentences: bool = False) -> str:
    """Return the name of the transformers class that loads the checkpoint for this task.

    Args:
        task: One of TASKS.
        config: The content of config.json.
        sentences: Whether it is a sentence encoder, of which the encoding half is wanted.
    """
    names = [str(name) for name in config.get("architectures") or []]
    if task == "automatic-speech-recognition" and any(name.endswith("ForCTC") for name in names):
        return "AutoModelForCTC"
    if sentences and task == "feature-extraction" and config.get("is_encoder_decoder"):
        return "AutoModelForTextEncoding"
    if task == "feature-extraction" and names and names[0].endswith("Model"):
        return names[0]  # AutoModel would make a whole T5 of a T5EncoderModel
    return AUTO_CLASSES[task]
