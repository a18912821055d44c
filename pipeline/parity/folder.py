"""Everything an artifact folder holds, side by side with its PyTorch model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import Artifact
from pipeline.errors import EnvironmentMissingError, PipelineError, first_line
from pipeline.graph.files.model_file import load_model
from pipeline.parity.bisect import bisect_failures
from pipeline.parity.budget import ULP
from pipeline.parity.candidates import Candidate, folder_candidates, named_candidates
from pipeline.parity.cases import file_case, make_cases
from pipeline.parity.compare import Tolerance
from pipeline.parity.comparison import Comparison
from pipeline.parity.coverage import Coverage
from pipeline.parity.limits import Limits
from pipeline.parity.lost import nan_weights
from pipeline.parity.options import ParityOptions
from pipeline.parity.part import Part
from pipeline.parity.reference import Reference, TorchReference, reference_for
from pipeline.parity.results import Case
from pipeline.parity.texts import Texts, read_texts, unseen_texts
from pipeline.parity.ways import FORMATS, narrowest
from pipeline.records.export import ExportedPart, ExportRecord, GenerationSpec
from pipeline.records.generation import GenerationResult, GenerationRow
from pipeline.records.parity import ParityResult
from pipeline.records.variant import is_variant, variant_record
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.decoding import cache_capacity
from pipeline.stages.runners.kv_cache import PAST
from pipeline.types import Progress

if TYPE_CHECKING:
    from pipeline.parity.generate import GenerationParity


def compare_folder(
    options: ParityOptions, folder: Path, artifacts: Mapping[str, Artifact], progress: Progress
) -> ParityResult:
    """Return the result of comparing every variant; see `pipeline.parity.stage`."""
    exported = ExportRecord.of(artifacts["export"])
    others = {n: variant_record(made) for n, made in artifacts.items() if is_variant(n)}
    candidates = folder_candidates(exported.parts, others, folder)
    if options.candidates:
        candidates = named_candidates(options.candidates, list(exported.parts)[-1])
    reference, note = reference_for(exported, folder, options.model)
    tolerance = tolerance_of(options)
    comparison = Comparison(reference.describe(), tolerance, notes=[note] if note else [])
    for name, about in exported.parts.items():
        mine = [c for c in candidates if c.part == name]
        cases, coverage = _cases(options, exported, folder, about, mine)
        part = Part(
            name, about.inputs, about.outputs, reference, cases, tolerance, options.threads,
            limits_of(options), True,
        )  # fmt: skip
        part.lost, part.coverage = nan_weights(load_model(folder / about.file)), coverage
        found = comparison.add(part, mine, progress)
        if options.bisect:
            graph = folder / about.file
            against_torch = isinstance(reference, TorchReference)
            otherwise = "export" if against_torch else "unknown"
            comparison.bisect += bisect_failures(part, graph, mine, found, progress, otherwise)
    comparison.generation = _generation(options, exported, folder, candidates, reference, progress)
    return comparison.result()


def tolerance_of(options: ParityOptions) -> Tolerance | None:
    """Return the explicit tolerance, None for the derived budget."""
    if options.absolute is None and options.relative is None:
        return None
    return Tolerance(options.absolute or 0.0, options.relative or 0.0)


def limits_of(options: ParityOptions) -> Limits:
    """Return what the user allows a quantised candidate to lose."""
    return Limits(options.max_kl, options.min_agreement, options.min_cosine, options.max_drop)


def _cases(
    options: ParityOptions,
    exported: ExportRecord,
    folder: Path,
    about: ExportedPart,
    candidates: Sequence[Candidate],
) -> tuple[list[Case], Coverage]:
    precisions = {candidate.precision for candidate in candidates}
    cases, coverage = make_cases(
        load_model(folder / about.file),
        about.dims,
        seeds=options.seeds,
        pinned=options.dims,
        precisions=precisions,
    )
    names = [entry.name for entry in about.inputs]
    if options.inputs is not None:
        extra = file_case(options.inputs, names, precisions)
        cases += [extra] if extra is not None else []
    return cases + _text_cases(options, exported, folder, names), coverage


def _text_cases(
    options: ParityOptions, exported: ExportRecord, folder: Path, names: Sequence[str]
) -> list[Case]:
    """Return one case of real text where the part reads nothing but ids and their mask."""
    texts = _texts(exported, folder)
    if texts is None or not set(names) <= {"input_ids", "attention_mask", "token_type_ids"}:
        return []
    ids, mask = texts.encode(_chosen(options, exported, 8))
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": mask * 0}
    sizes = {"batch": ids.shape[0], "length": ids.shape[1]}
    return [Case("real text", "text", sizes, {name: feeds[name] for name in names})]


def _chosen(options: ParityOptions, exported: ExportRecord, count: int) -> list[str]:
    """Return the texts that were given, else ones that suit the model; so many at most."""
    given = read_texts(options.text) if options.text else unseen_texts(exported.model, count)
    return given[:count]


def _texts(exported: ExportRecord, folder: Path) -> Texts | None:
    if exported.tokenizer is None:
        return None
    path = folder / exported.tokenizer
    if not (path / "tokenizer.json").is_file():
        return None
    special = exported.generation or GenerationSpec()
    longest = min(special.max_length or 64, 64)
    if capacity := cache_capacity(exported.last_part.inputs):
        longest = min(longest, max(1, capacity // 2))  # leaves room to continue
    return Texts(path, special.pad or 0, longest)


def _generation(
    options: ParityOptions,
    exported: ExportRecord,
    folder: Path,
    candidates: Sequence[Candidate],
    reference: Reference,
    progress: Progress,
) -> GenerationResult | None:
    """Return the comparison of generated texts, None where the model generates none."""
    from pipeline.parity.generate import GenerationParity

    texts, parts = _texts(exported, folder), exported.parts
    inputs, special = exported.last_part.inputs, exported.generation
    steps = any(entry.name.startswith(PAST) for entry in inputs)
    if texts is None or special is None or not steps or not options.sentences:
        return None
    longest = (special.max_length or 64) - 2
    if capacity := cache_capacity(inputs):
        longest = min(longest, capacity - capacity // 2)
    compared = GenerationParity(
        texts=_chosen(options, exported, options.sentences),
        encoder=texts,
        inputs=inputs,
        special=special,
        max_new=min(options.max_new_tokens, longest),
        has_encoder="encoder" in parts,
        limits=limits_of(options),
    )
    compared.reference(lambda: {p: reference.open(p, "fp64") for p in parts}, progress)
    precisions = {c.precision for c in candidates if c.precision in ULP} | {"fp32"}
    rows = [_torch(compared, reference, set(parts), p, progress) for p in sorted(precisions)]
    rows += _variants(compared, candidates, set(parts), options.threads, progress)
    return GenerationResult(
        texts=len(compared.texts), candidates=tuple(rows), samples=compared.samples()
    )


def _torch(
    compared: GenerationParity,
    reference: Reference,
    parts: set[str],
    precision: str,
    progress: Progress,
) -> GenerationRow:
    """Return what became of the texts on PyTorch itself in one precision."""

    def opened() -> dict[str, Runner]:
        return {part: reference.open(part, precision) for part in parts}

    try:
        return compared.torch(precision, opened, progress)
    except (PipelineError, RuntimeError) as err:
        return _not_run(f"torch {precision}", first_line(err))


def _variants(
    compared: GenerationParity,
    candidates: Sequence[Candidate],
    parts: set[str],
    threads: int,
    progress: Progress,
) -> list[GenerationRow]:
    """Return what became of the texts on every variant that has all parts."""
    rows: list[GenerationRow] = []
    for name in dict.fromkeys(c.name for c in candidates):
        files = {c.part: c for c in candidates if c.name == name}
        if set(files) != parts:
            continue

        def opened(files: Mapping[str, Candidate] = files) -> dict[str, Runner]:
            return {part: c.open(threads) for part, c in files.items()}

        precision = _together(compared, files)
        try:
            rows.append(compared.candidate(name, precision, opened, progress))
        except PipelineError as err:
            failed = False if err.exit_code != EnvironmentMissingError.exit_code else None
            rows.append(_not_run(name, err.what, failed))
    return rows


def _together(compared: GenerationParity, files: Mapping[str, Candidate]) -> str:
    """Return what a variant's texts are held to: the precision of its logits, if they lose more."""
    last = list(files.values())[-1]
    found = [*last.precisions(["logits"]).values()]
    found += [c.precision for c in files.values() if c.precision in compared.noise]
    return narrowest(p for p in found if p in (*compared.noise, *FORMATS))


def _not_run(name: str, why: str, passed: bool | None = None) -> GenerationRow:
    """Return the row of a variant that generated nothing; one that was refused has failed."""
    return GenerationRow(name=name, passed=passed, skipped=why, texts=0, equal=0, near_ties=0)
