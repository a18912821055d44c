"""The models known by name; importing this file imports no framework.

A preset without weights of its own gets seeded random ones unless a checkpoint is given.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from models import zh_en
from models.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

    from models.parts import Part

Value = int | float | bool | str

_TOKENIZER_FILES = (
    "tokenizer.json", "words.json", "tokenizer.model", "tokenizer_config.json", "vocab.txt",
    "vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "generation_config.json",
)  # fmt: skip
BERT_TASKS = ("feature-extraction", "fill-mask", "text-classification", "token-classification")


@dataclass(frozen=True)
class Preset:
    """A model by name: family, sizes, what it is for, and where its own files lie.

    Attributes:
        family: The file in models/ that defines it.
        tasks: What it can be exported for, in the words of Hugging Face's tasks; the first is
            what it is exported for unless told otherwise.
        sizes: What differs from the family's default configuration.
        folder: Its tokenizer, config.json and weights.safetensors; None without any.
    """

    name: str
    family: str
    tasks: tuple[str, ...]
    sizes: Mapping[str, Value]
    folder: Path | None = None

    @property
    def task(self) -> str:
        """Return the task it is exported for unless told otherwise."""
        return self.tasks[0]

    @property
    def random_weights(self) -> bool:
        """Return whether `build` without a checkpoint gives random weights."""
        return self.folder is None

    def tokenizer_files(self, checkpoint: Path | None = None) -> tuple[Path, ...]:
        """Return the files that make up the tokenizer, none where there is none."""
        folder = checkpoint or self.folder
        if folder is None:
            return ()
        return tuple(folder / name for name in _TOKENIZER_FILES if (folder / name).is_file())

    def save_tokenizer(self, target: Path, checkpoint: Path | None = None) -> bool:
        """Write the tokenizer into `target` and return whether there is one.

        A lone sentencepiece file is converted, so that transformers reads it without remote code.

        Raises:
            ModelError: It cannot be read.
        """
        files = self.tokenizer_files(checkpoint)
        names = {file.name for file in files}
        if "tokenizer.model" in names and "tokenizer.json" not in names:
            from models.sentencepiece_tokenizer import save_fast

            save_fast(files[0].parent, target, add_bos=self.family == "llama")
            return True
        for file in files:
            shutil.copyfile(file, target / file.name)
        return bool(files)

    def unseen_texts(self) -> tuple[str, ...]:
        """Return texts that its training never saw, none where it was not trained here."""
        file = self.folder and self.folder / "unseen.txt"
        if not file or not file.is_file():
            return ()
        return tuple(file.read_text(encoding="utf-8").splitlines())

    def build(
        self,
        seed: int = 0,
        checkpoint: Path | None = None,
        task: str | None = None,
        dtype: str = "float32",
        spool: Path | None = None,
    ) -> nn.Module:
        """Return the model in eval mode, without gradients.

        Args:
            seed: Decides the random weights where there are no others.
            checkpoint: A folder whose weights and configuration replace the preset's own.
            task: One of `tasks`; None means the first.
            dtype: Of the weights: float32, float16, bfloat16 or float64.
            spool: A folder on a disk with room: big random weights lie there, mapped,
                instead of in memory. The files vanish with the model.

        Raises:
            ModelError: The checkpoint is incomplete, unsafe or of another family, or the task is
                none of the preset's.
        """
        from models.families import build

        task = task or self.task
        if task not in self.tasks:
            raise ModelError(
                f"{self.name} cannot do {task!r}", fix=f"choose one of: {', '.join(self.tasks)}"
            )
        folder = checkpoint or self.folder
        return build(self.family, self.sizes, folder, task, seed=seed, dtype=dtype, spool=spool)

    def parts(self, model: nn.Module) -> dict[str, Part]:
        """Return what is exported of `model`, by part: `model`, or `encoder` and `decoder`."""
        from models.families import parts

        return parts(model)


def _preset(
    name: str, family: str, tasks: str | tuple[str, ...], folder: Path | None = None, **sizes: Value
) -> Preset:
    tasks = (tasks,) if isinstance(tasks, str) else tasks
    return Preset(name, family, tasks, MappingProxyType(sizes), folder)


_TINY: dict[str, Any] = {
    "vocab": 97,
    "width": 32,
    "heads": 4,
    "layers": 2,
    "hidden": 64,
    "max_length": 64,
}
_BIG: dict[str, Any] = {"width": 1024, "heads": 16}
_ALL = (
    _preset("zh-en", "transformer", "translation", zh_en.FOLDER),
    _preset("transformer-base", "transformer", "translation"),
    _preset("transformer-big", "transformer", "translation", hidden=4096, **_BIG),
    _preset(
        "transformer-tiny", "transformer", "translation",
        source_vocab=97, target_vocab=89, width=32, heads=4, layers=2, hidden=64, max_length=64,
    ),
    _preset("bert-base", "bert", BERT_TASKS),
    _preset("bert-large", "bert", BERT_TASKS, layers=24, hidden=4096, **_BIG),
    _preset("bert-tiny", "bert", BERT_TASKS, classes=3, **_TINY),
    _preset("gpt2", "gpt2", "text-generation"),
    _preset("gpt2-tiny", "gpt2", "text-generation", bos_id=1, eos_id=2, **_TINY),
    _preset("llama2-7b", "llama", "text-generation"),
    _preset("llama-tiny", "llama", "text-generation", kv_heads=2, **_TINY),
    _preset("baichuan2-7b", "baichuan", "text-generation"),
    _preset(
        "baichuan2-13b", "baichuan", "text-generation",
        width=5120, heads=40, layers=40, hidden=13696, positions="alibi",
    ),
    _preset("baichuan-tiny", "baichuan", "text-generation", **_TINY),
    _preset("baichuan-alibi-tiny", "baichuan", "text-generation", positions="alibi", **_TINY),
)  # fmt: skip

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})


def preset_of_folder(folder: Path) -> Preset | None:
    """Return the preset that reads a checkpoint folder which transformers cannot read alone.

    These are Meta's own layout of Llama and Baichuan 2, which elsewhere needs remote code.
    """
    if (folder / "params.json").is_file() and not (folder / "config.json").is_file():
        return PRESETS["llama2-7b"]
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    baichuan = isinstance(config, dict) and config.get("model_type") == "baichuan"
    return PRESETS["baichuan2-7b"] if baichuan else None
