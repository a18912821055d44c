"""What a package is asked when it is checked, and what is right: the answers of our own runner."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.accuracy import Errors, compare, magnitude
from pipeline.artifacts import digest_file
from pipeline.errors import UsageError
from pipeline.graph.files.model_file import load_model
from pipeline.inputs import InputMaker, Style
from pipeline.judge.interpreter import Judge
from pipeline.package.subject import Subject
from pipeline.parity.budget import ULP, budget_for
from pipeline.parity.ways import output_units
from pipeline.stages.runners.decoding import greedy
from pipeline.tasks.embed import embed
from pipeline.tasks.source import TextSource

HOME = Path(__file__).resolve().parents[1]
# What check.py imports of this package: needs nothing but numpy.
SHIPPED = (
    "accuracy.py",
    "package/__init__.py",
    "package/checks/__init__.py",
    "package/checks/common.py",
)
PACKAGE = '"""The part of the pipeline toolkit that a package is checked with."""\n'
TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Once upon a time, in a small town",
    "Zürich, 我今天很开心! 3.14",
)
NEW_TOKENS = 16
_STYLES: tuple[Style, ...] = ("plain", "padded")
_JUDGES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def write_check(
    subject: Subject, root: Path, check: str, seed: int, beside: tuple[str, ...] = (), **told: Any
) -> None:
    """Write `root/check`: a script for the runtime, inputs, the right answers and limits.

    Args:
        subject: What is packaged.
        root: The package.
        check: Name of the script in `checks`.
        seed: Decides inputs.
        beside: Other scripts there that it runs.
        told: What else the script has to know.
    """
    home = root / "check"
    home.mkdir()
    shutil.copyfile(HOME / "package" / "checks" / f"{check}.py", home / "check.py")
    for name in beside:
        shutil.copyfile(HOME / "package" / "checks" / name, home / name)
    for name in SHIPPED:
        target = home / "lib" / HOME.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HOME / name, target)
    (home / "lib" / HOME.name / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    variant = subject.variant.partition(".")[2] or "exported"
    asked: dict[str, Any] = {"task": subject.exported.task, "variant": variant, **told}
    with TextSource(subject.folder.path, variant=variant) as source:
        if subject.exported.classes is not None:
            asked["labels"] = list(subject.exported.classes.labels)
        if subject.tokenizer is not None:
            asked["texts"] = [[text, source.tokenizer.encode(text)] for text in TEXTS]
        if subject.steps:
            asked["tokens"] = _continuations(subject, source, seed)
            asked["ends"], asked["new_tokens"] = list(source.generation.ends), NEW_TOKENS
        else:
            asked["outputs"] = _outputs(subject, source, home, seed)
        if subject.exported.embedding is not None and subject.tokenizer is not None:
            asked["vectors"] = [list(row.vector) for row in embed(source, TEXTS).rows]
            asked["vector_limit"] = 1e-5 if subject.precision == "fp32" else 1e-2
    asked["files"] = {
        file.relative_to(root).as_posix(): digest_file(file)
        for file in sorted(root.rglob("*"))
        if file.is_file() and home not in file.parents
    }
    (home / "check.json").write_text(json.dumps(asked, indent=1, ensure_ascii=False) + "\n")


def _continuations(subject: Subject, source: TextSource, seed: int) -> list[dict[str, Any]]:
    """Return prompts, and the tokens that follow greedily, up to an end mark."""
    numbers = np.random.default_rng(seed)
    prompts = [(numbers.integers(3, 100, size).tolist(), "") for size in (1, 7)]
    if subject.tokenizer is not None:
        prompts += [(source.tokenizer.encode(text), text) for text in TEXTS]
    start = source.generation.start if "encoder" in subject.files else None
    made = []
    for prompt, text in prompts:
        if not prompt:
            continue
        ids = np.asarray([prompt], np.int64)
        found = greedy(
            source.decoder, ids, np.ones_like(ids), start=start, end=source.generation.ends,
            max_new=NEW_TOKENS,
        )  # fmt: skip
        told = {"prompt": prompt, "new": found.tokens[0], "margins": found.margins[0]}
        made.append(told | ({"text": text} if text else {}))
    return made


def example(subject: Subject, part: str, seed: int) -> dict[str, np.ndarray]:
    """Return the inputs of the first case, which a package may warm up with."""
    maker = InputMaker(load_model(subject.folder.path / subject.exported.parts[part].file))
    return dict(maker.make(maker.dims(0), seed, _STYLES[0]))


def _outputs(subject: Subject, source: TextSource, home: Path, seed: int) -> list[dict[str, Any]]:
    """Write arrays that go in and come out; return their files and how far each may be off.

    The limits are the budget of `pipeline parity` for the packaged precision. Of stored integers,
    where another order of sums moves values over the edge of a rounding, the model before rounding
    is right, and our own runner's error against it is the noise.
    """
    if len(subject.files) != 1:
        raise UsageError("a model of several parts is checked by what it generates")
    (part,) = subject.files
    model = load_model(subject.folder.path / subject.exported.parts[part].file)
    maker, reference = InputMaker(model), Judge(model, "float64")
    judged, units = _JUDGES.get(subject.precision), output_units(model)
    ulp = ULP[subject.precision if judged else "fp16"]
    made: list[dict[str, Any]] = []
    for number, style in enumerate(_STYLES):
        feeds = maker.make(maker.dims(number), seed + number, style)
        exact = {name: value.double().numpy() for name, value in reference.run(feeds).items()}
        ours = source.parts[part].run(feeds)
        found = ours
        if judged:
            made_here = Judge(model, judged).run(feeds)
            found = {name: value.double().numpy() for name, value in made_here.items()}
        files = {name: f"case-{number}.{name}.npz" for name in ("inputs", "outputs")}
        _save(home / files["inputs"], feeds)
        _save(home / files["outputs"], ours if judged else exact)
        limits = {}
        for name, wanted in exact.items():
            noise = compare(found[name], wanted)
            limits[name] = asdict(
                budget_for(noise, Errors(), magnitude(wanted), ulp, unit=units[name])
            )
        made.append({**files, "limits": limits})
    return made


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]
