"""A Hugging Face checkpoint as a module in eval mode, its weights mapped from disk.

Never runs code from a checkpoint unless asked to: pickles go through torch's weights-only reader.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError, first_line
from pipeline.stages.export.checkpoint import Checkpoint
from pipeline.stages.export.exporters import quiet
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.tasks import auto_class, infer_task

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint in memory and what it is for."""

    model: PreTrainedModel
    task: str


def load_checkpoint(checkpoint: Checkpoint, options: ExportOptions) -> LoadedModel:
    """Return the model for the task the options name or the configuration implies.

    Raises:
        BadModelError: The weights do not fit the configuration, or are unsafe.
        UsageError: The task does not fit, or the model needs code of its own.
    """
    import torch
    import transformers

    config = _config(checkpoint, options)
    described: dict[str, Any] = config.to_dict()
    gguf = checkpoint.gguf is not None
    sentences = checkpoint.sentence is not None
    task = infer_task(described, gguf, sentences) if options.task == "auto" else options.task
    name = auto_class(task, described, sentences)
    loader = getattr(transformers, name, transformers.AutoModel)  # a remote class has no name here
    dtype = getattr(torch, "float32" if options.dtype == "auto" else options.dtype)
    try:
        with quiet(), no_progress_bars():
            model, info = loader.from_pretrained(
                checkpoint.folder,
                config=config,
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=options.trust_remote_code,
                output_loading_info=True,
                weights_only=True,
                **({"gguf_file": checkpoint.gguf} if checkpoint.gguf else {}),
            )
    except (pickle.UnpicklingError, zipfile.BadZipFile) as err:
        raise _unsafe(checkpoint, err) from err
    except Exception as err:
        raise _explain(checkpoint, task, options.task == "auto", err) from err
    unused = "pooler." if sentences and task == "feature-extraction" else None
    _require_all_weights(checkpoint, task, info, unused)
    model.eval().requires_grad_(False)
    if hasattr(model, "set_experts_implementation"):
        with quiet():
            model.set_experts_implementation("batched_mm")  # the default has no ONNX form
    return LoadedModel(model, task)


def _config(checkpoint: Checkpoint, options: ExportOptions) -> Any:
    """Return the checkpoint's configuration object."""
    import transformers

    remote = checkpoint.config.get("auto_map")
    kind = checkpoint.config.get("model_type")
    known = kind in transformers.CONFIG_MAPPING
    if remote and not known and not options.trust_remote_code:
        raise UsageError(
            f"model type {kind!r} runs Python of its own ({next(iter(remote.values()))})",
            where=str(checkpoint.folder),
            fix="read that code, then pass --trust-remote-code; or use a preset of this family",
        )
    if checkpoint.config and not known and not remote:
        raise BadModelError(
            f"model type {kind!r} is not one that transformers {transformers.__version__} knows",
            where=str(checkpoint.folder / "config.json"),
            fix="update transformers, or wrap the model in a function: file.py:function",
        )
    try:
        with quiet():
            return transformers.AutoConfig.from_pretrained(
                checkpoint.folder,
                local_files_only=True,
                trust_remote_code=options.trust_remote_code,
                **({"gguf_file": checkpoint.gguf} if checkpoint.gguf else {}),
            )
    except ImportError as err:
        raise _lacking(checkpoint, err) from err
    except Exception as err:
        raise BadModelError(
            f"the configuration is not usable: {first_line(err)}",
            where=str(checkpoint.folder),
            fix="check config.json against the transformers version that wrote it",
        ) from err


def _require_all_weights(
    checkpoint: Checkpoint, task: str, info: dict[str, Any], unused: str | None
) -> None:
    """Raise BadModelError where transformers would have invented weights that are used."""
    absent = sorted(info.get("missing_keys") or [])
    missing = [name for name in absent if unused is None or not name.startswith(unused)]
    wrong = sorted(str(item[0]) for item in info.get("mismatched_keys") or [])
    if missing or wrong:
        names = ", ".join((missing or wrong)[:4])
        raise BadModelError(
            f"{len(missing)} weights are missing and {len(wrong)} have the wrong shape: {names}",
            where=str(checkpoint.folder),
            fix=f"the checkpoint may be half of one, or have no head for {task}: "
            "complete it, or pick another --task, e.g. feature-extraction",
        )


def _unsafe(checkpoint: Checkpoint, err: Exception) -> BadModelError:
    return BadModelError(
        f"the weights are a pickle that is damaged or asks to run code: {_refused(err)}",
        where=str(checkpoint.folder),
        fix="convert it to safetensors where it came from; it was not opened here",
    )


def _refused(err: Exception) -> str:
    """Return the line of torch's message that names what the pickle wanted."""
    lines = [line.strip() for line in str(err).splitlines()]
    named = [line for line in lines if "GLOBAL" in line or "Unsupported" in line]
    return (named or lines or ["?"])[0][:200]


def _explain(checkpoint: Checkpoint, task: str, guessed: bool, err: Exception) -> Exception:
    """Return our error for what transformers raised.

    Args:
        checkpoint: What was to be loaded.
        task: What for.
        guessed: Whether nobody named that task.
        err: What transformers raised.
    """
    chain: list[BaseException] = [err]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for link in chain:
        if isinstance(link, pickle.UnpicklingError | zipfile.BadZipFile):
            return _unsafe(checkpoint, link if isinstance(link, Exception) else err)
    text = first_line(err)
    if isinstance(err, ImportError):
        return _lacking(checkpoint, err)
    if isinstance(err, ValueError) and "Unrecognized configuration class" in str(err):
        return _no_form(checkpoint, task, guessed)
    return BadModelError(
        f"the checkpoint cannot be loaded: {type(err).__name__}: {text}",
        where=str(checkpoint.folder),
        fix="check that config and weights belong together and that no file is cut off",
    )


def _no_form(checkpoint: Checkpoint, task: str, guessed: bool) -> UsageError:
    name = next(iter(checkpoint.config.get("architectures") or ["this model"]))
    if guessed:
        return UsageError(
            f"{name} reads or makes more than text, and has no form here as a whole",
            where=str(checkpoint.folder),
            fix="--task feature-extraction where its states are enough, or wrap the part you need "
            "in a function that returns it and example inputs: file.py:function",
        )
    return UsageError(
        f"{name} has no form for {task}",
        where=f"--task {task}",
        fix="leave --task out, or pick the one its architecture was trained for",
    )


_INSTALL = re.compile(
    r"pip install (?:-U |--upgrade )?[\"']?(?P<name>[\w.-]+(?:[<>=!~]+[\w.]*\w)?)"
)


def _lacking(checkpoint: Checkpoint, err: ImportError) -> EnvironmentMissingError:
    """Return the error for a package that a checkpoint's kind of weights or its code needs."""
    said = _INSTALL.search(str(err))
    package = said["name"] if said else err.name or "a package"
    method = (checkpoint.config.get("quantization_config") or {}).get("quant_method")
    why = f"its weights are packed as {method}" if method else first_line(err)
    return EnvironmentMissingError(
        f"the checkpoint needs {package}, which is not installed: {why}",
        where=str(checkpoint.folder),
        fix=f"pip install '{package}'" + (", or export the unpacked checkpoint" if method else ""),
    )


def widened(checkpoint: Checkpoint, model: Any) -> tuple[str, ...]:
    """Return a sentence where weights stored in fewer bits were scaled back, none elsewhere."""
    method = (checkpoint.config.get("quantization_config") or {}).get("quant_method")
    kind = str(model.dtype).removeprefix("torch.")
    return (f"the weights, stored as {method}, are exported as {kind}",) if method else ()


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep transformers' progress bars, some of which cannot be turned off, from the screen."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
