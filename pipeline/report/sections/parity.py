"""Parity: each candidate's error against the error PyTorch itself makes."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.records.generation import GenerationResult
from pipeline.records.parity import (
    CandidateRecord,
    Departure,
    OutputRecord,
    ParityResult,
    PartComparison,
)
from pipeline.records.report import ReportData
from pipeline.report import numbers, plots
from pipeline.report.document import (
    Badge,
    Bar,
    Block,
    Cell,
    Code,
    Details,
    Figure,
    Figures,
    Heading,
    Section,
    Table,
    Text,
)
from pipeline.report.sections.reached import reached

PASSED, FAILED = Badge("passed", "good"), Badge("failed", "bad")
NOT_RUN = Badge("not run", "open")
OVER = "over"


def parity_section(data: ReportData) -> Section | None:
    """Return the section, None where nothing was compared."""
    result = data.parity
    if result is None:
        return None
    cases = sum(len(part.cases) for part in result.parts.values())
    lead = f"Reference: {result.reference}, on {numbers.count(cases, 'case')}. {_rule(result)}"
    blocks: list[Block] = [_overview(result), Figures(_histograms(result))]
    if result.bisect:
        blocks += [Heading("Where it departs"), _bisect(result.bisect)]
    if result.generation:
        blocks += _generation(result.generation)
    blocks += [Text(note, "open") for note in result.notes]
    for name, part in result.parts.items():
        blocks.append(Details(f"{name}: every output", [_outputs(part)]))
        if any(o.measures for entry in part.candidates for o in entry.outputs):
            blocks.append(Details(f"{name}: what quantisation loses", [_measures(part)]))
        blocks.append(Details(f"{name}: checks that need no reference", [_checks(part)]))
        blocks.append(Details(f"{name}: the {len(part.cases)} cases", [_cases(part)]))
        if part.coverage:
            blocks.append(Details(f"{name}: what the cases reach", [reached(part.coverage)]))
    return Section("parity", "Parity", lead, blocks)


def _rule(result: ParityResult) -> str:
    rule = result.rule
    if rule.absolute is None:
        return (
            f"A candidate passes when its rms and 99.9 % error stay within {rule.rms:g}× "
            f"and its largest error within {rule.max:g}× what PyTorch itself shows in the same "
            f"precision on the same inputs, with a floor of {rule.floor_ulps:g} ulp."
            " Where few elements, or few rows of an output, share that error, the first factor "
            "grows up to the second; on large inputs, which are there to find overflow, both are "
            f"{rule.loud:g}×."
        )
    return (
        f"An explicit tolerance replaced the derived budget: {rule.absolute:g} absolute, "
        f"{rule.relative:g} of the largest value."
    )


def _overview(result: ParityResult) -> Table:
    rows: list[list[Cell]] = []
    for part in result.parts.values():
        for entry in part.candidates:
            rows.append(_candidate_row(entry))
    columns = (
        "part",
        "candidate",
        "precision",
        "verdict",
        "budget used",
        "worst",
        ">κ",
        "ran in, or why not",
    )
    return Table(columns, rows, stack=True)


def _candidate_row(entry: CandidateRecord) -> list[Cell]:
    head: list[Cell] = [entry.part, Code(entry.name), entry.precision]
    if entry.skipped:
        return [*head, NOT_RUN, "", "", "", entry.skipped]
    worst = max(entry.outputs, key=_usage)
    if worst.problem:
        return [*head, FAILED, "", Code(worst.output), "", worst.problem]
    about = entry.describe
    where = " ".join(
        filter(None, (about.get("runtime"), about.get("version"), about.get("provider")))
    )
    return [
        *head,
        PASSED if entry.passed else FAILED,
        _bar(worst.usage),
        Code(worst.output),
        numbers.number(worst.kappa, 2),
        where.replace("ExecutionProvider", ""),
    ]


def _usage(output: OutputRecord) -> float:
    return float("inf") if output.usage is None else float(output.usage)


def _bar(share: float | None) -> Bar:
    if share is None:
        return Bar(1.5, OVER)
    return Bar(share, numbers.percent(share))


def _histograms(result: ParityResult) -> list[Figure]:
    """Return one figure per part: the output with most elements, all candidates of fp32 first."""
    figures = []
    for name, part in result.parts.items():
        ran = [e for e in part.candidates if not e.skipped and e.describe]
        for precision in dict.fromkeys(entry.precision for entry in ran):
            group = [entry for entry in ran if entry.precision == precision]
            output = max(group[0].outputs, key=lambda o: o.errors.count).output
            found = {e.name: o for e in group for o in e.outputs if o.output == output}
            noise = next(iter(found.values())).noise_histogram
            svg = plots.error_histogram(
                result.edges, noise, {n: o.histogram for n, o in found.items()}
            )
            caption = f"{name}, {precision}: errors of {output} over all cases."
            figures.append(Figure(svg, caption))
    return figures


def _outputs(part: PartComparison) -> Table:
    rows: list[list[Cell]] = []
    for entry in part.candidates:
        for output in entry.outputs:
            errors, noise = output.errors, output.noise
            rows.append(
                [
                    Code(entry.name),
                    Code(output.output),
                    PASSED if output.passed else FAILED,
                    _bar(output.usage),
                    numbers.number(errors.rms),
                    numbers.number(noise.rms if noise else None),
                    numbers.number(errors.quantile),
                    numbers.number(errors.max),
                    numbers.number(noise.max if noise else None),
                    numbers.number(output.kappa, 2),
                    output.problem or output.worst_case,
                ]
            )
    columns = (
        "candidate", "output", "verdict", "budget used", ">rms", ">PyTorch rms", ">99.9 %",
        ">max", ">PyTorch max", ">κ", "worst case",
    )  # fmt: skip
    caption = "Errors in units of the rms of each output's values; κ is PyTorch's error in ulp."
    return Table(columns, rows, caption)


def _measures(part: PartComparison) -> Table:
    rows: list[list[Cell]] = [
        [
            Code(entry.name),
            Code(output.output),
            output.precision,
            measure.name,
            PASSED if measure.passed else FAILED,
            numbers.number(measure.value),
            f"{numbers.number(measure.low)} to {numbers.number(measure.high)}",
            "none" if measure.limit is None else numbers.number(measure.limit),
        ]
        for entry in part.candidates
        for output in entry.outputs
        for measure in output.measures
    ]
    columns = (
        "candidate", "output", "format", "measure", "verdict", ">value", ">99 % interval", ">limit",
    )  # fmt: skip
    caption = (
        "Against the reference. kl in nats per row; agreement: share of rows with the same largest "
        "score; cosine of rows; drop: rms of the difference over rms of the values."
    )
    return Table(columns, rows, caption)


def _checks(part: PartComparison) -> Table:
    rows: list[list[Cell]] = []
    for entry in part.candidates:
        for check in entry.checks:
            verdict = PASSED if check.passed else FAILED
            if check.skipped:
                verdict = Badge("not a property", "open")
            rows.append(
                [
                    Code(entry.name),
                    check.name,
                    Code(check.output),
                    verdict,
                    "to the last bit" if check.bitwise else numbers.number(check.errors.max),
                    check.skipped,
                ]
            )
    return Table(("candidate", "check", "output", "verdict", ">largest difference", ""), rows)


def _cases(part: PartComparison) -> Table:
    rows = [[c.style, numbers.sizes(c.sizes), str(c.seed)] for c in part.cases]
    return Table(("style", "sizes", ">seed"), rows)


def _bisect(places: Sequence[Departure]) -> Table:
    rows: list[list[Cell]] = []
    for place in places:
        rows.append(
            [
                place.part,
                Code(place.candidate),
                place.stage,
                Code(place.tensor or ""),
                Code(place.module or ""),
                place.node or "",
                place.rewrite or place.hint or "none",
            ]
        )
    columns = ("part", "candidate", "stage", "first tensor", "module", "node", "rewrite or hint")
    return Table(columns, rows, stack=True)


def _generation(generation: GenerationResult) -> list[Block]:
    rows: list[list[Cell]] = []
    for entry in generation.candidates:
        if not entry.texts:
            verdict = NOT_RUN if entry.passed is None else FAILED
            rows.append([Code(entry.name), verdict, "", "", "", "", "", entry.skipped])
            continue
        open_verdict = Badge("no budget", "open") if entry.passed is None else None
        forced = entry.forced
        lost = forced is not None and forced.kl_max is None
        rows.append(
            [
                Code(entry.name),
                open_verdict or (PASSED if entry.passed else FAILED),
                f"{entry.equal} of {entry.texts}",
                str(entry.near_ties),
                str(entry.failed),
                "not finite" if lost else numbers.number(forced.kl_max if forced else None),
                numbers.percent(forced.agreement if forced else None, 1),
                entry.skipped,
            ]
        )
    columns = (
        "candidate", "verdict", ">equal", ">near-ties", ">diverged", ">KL, largest",
        ">same top token", "note",
    )  # fmt: skip
    caption = (
        f"{generation.texts} texts generated greedily and compared token for token with "
        "PyTorch in float64; KL in nats per position under teacher forcing."
    )
    samples = [[s.text, s.output] for s in generation.samples]
    return [
        Heading("Generation"),
        Table(columns, rows, caption, stack=True),
        Table(("text", "generated"), samples, "The same by all that passed.", stack=True),
        *_divergences(generation),
    ]


def _divergences(generation: GenerationResult) -> list[Block]:
    rows: list[list[Cell]] = [
        [
            Code(entry.name),
            found.text,
            str(found.step),
            numbers.number(found.margin),
            numbers.number(found.noise),
            Badge("near-tie", "open") if found.near_tie else FAILED,
        ]
        for entry in generation.candidates
        for found in entry.divergences or ()
    ]
    if not rows:
        return []
    columns = ("candidate", "text", ">step", ">logit margin", ">logit noise", "verdict")
    return [Details("Where generations part", [Table(columns, rows)])]
