"""A comparison in the making: parts are added one by one, then the verdict is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.parity.budget import FLOOR_ULPS, LOUD_FACTOR, MAX_FACTOR, RMS_FACTOR
from pipeline.parity.candidates import Candidate
from pipeline.parity.compare import Tolerance
from pipeline.parity.part import Part
from pipeline.parity.results import EDGES, CandidateResult, case_record
from pipeline.records.generation import GenerationResult
from pipeline.records.parity import Departure, ParityResult, ParityRule, PartComparison
from pipeline.types import Progress


@dataclass
class Comparison:
    """What has been compared so far.

    Attributes:
        reference: In words.
        tolerance: Replaces the budget derived from PyTorch's own error when given.
    """

    reference: str
    tolerance: Tolerance | None
    parts: dict[str, PartComparison] = field(default_factory=dict)
    generation: GenerationResult | None = None
    bisect: list[Departure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self, part: Part, candidates: Sequence[Candidate], progress: Progress
    ) -> list[CandidateResult]:
        """Compare one part's candidates, keep what was found and return it."""
        wanted = {p for c in candidates for p in c.precisions(part.output_names).values()}
        part.prepare(sorted(wanted | {"fp32"}), progress)
        found = []
        for place, candidate in enumerate(candidates):
            progress.step(f"{part.name}: {candidate.name}", place, len(candidates))
            found.append(part.compare(candidate))
        self.parts[part.name] = PartComparison(
            cases=tuple(case_record(case) for case in part.cases),
            candidates=tuple(entry.record() for entry in found),
            coverage=() if part.coverage is None else part.coverage.record(part.cases),
        )
        self.notes += part.notes
        return found

    def result(self) -> ParityResult:
        """Return everything with the verdict: nothing failed, and something was compared."""
        verdicts = [entry.passed for part in self.parts.values() for entry in part.candidates]
        if self.generation is not None:
            verdicts += [row.passed for row in self.generation.candidates]
        return ParityResult(
            passed=False not in verdicts and True in verdicts,
            reference=self.reference,
            rule=_rule(self.tolerance),
            edges=tuple(EDGES.tolist()),
            parts=self.parts,
            generation=self.generation,
            bisect=tuple(self.bisect),
            notes=tuple(self.notes),
        )


def _rule(tolerance: Tolerance | None) -> ParityRule:
    if tolerance is not None:
        return ParityRule(absolute=tolerance.absolute, relative=tolerance.relative)
    return ParityRule(rms=RMS_FACTOR, max=MAX_FACTOR, loud=LOUD_FACTOR, floor_ulps=FLOOR_ULPS)
