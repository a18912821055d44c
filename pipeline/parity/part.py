"""One part of a model: reference, PyTorch's own rounding, then every candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.accuracy import Budget, Errors, magnitude, usage
from pipeline.errors import BadModelError, PipelineError, first_line
from pipeline.parity.budget import ULP, budget_for, pool
from pipeline.parity.candidates import Candidate
from pipeline.parity.cases import ROUND_TO
from pipeline.parity.checks import Applicable, run_checks
from pipeline.parity.compare import (
    Allowed,
    Arrays,
    Measured,
    Tolerance,
    attempt,
    check_types,
    judge_outputs,
    measure,
    run_cases,
)
from pipeline.parity.coverage import Coverage
from pipeline.parity.limits import Limits, limits_for
from pipeline.parity.lost import exempt_hidden
from pipeline.parity.metamorphic import Check
from pipeline.parity.reference import Reference, declared_types
from pipeline.parity.results import CandidateResult, Case, OutputResult
from pipeline.parity.ways import FORMATS
from pipeline.records.tensors import TensorSpec
from pipeline.stages.runners.base import Runner
from pipeline.types import Progress


@dataclass
class Part:
    """A part and everything needed to compare its candidates.

    Attributes:
        inputs, outputs: What it takes and gives.
        limits: What the user allows quantised outputs to lose.
        forgiving: Whether a candidate the runtime refuses is a failed one, instead of an error.
        coverage: What the cases can reach, None where that is not looked at.
        noises: Precision -> PyTorch's own errors in it.
        lost: What is wrong with the reference's weights, in words; then no candidate passes.
        exempt: Output -> elements of rows that are hidden whole, over all cases.
        own_checks: Precision -> what PyTorch itself shows in the checks without a reference.
    """

    name: str
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    reference: Reference
    cases: Sequence[Case]
    tolerance: Tolerance | None = None
    threads: int = 0
    limits: Limits = field(default_factory=Limits)
    forgiving: bool = False
    coverage: Coverage | None = None
    truths: list[dict[str, np.ndarray]] = field(default_factory=list)
    noises: dict[str, Measured] = field(default_factory=dict)
    own_checks: dict[str, list[Check]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lost: str = ""
    exempt: dict[str, int] = field(default_factory=dict)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return [output.name for output in self.outputs]

    def prepare(self, precisions: Sequence[str], progress: Progress) -> None:
        """Compute the reference, and PyTorch's own errors in each precision.

        Cases the reference itself cannot run (sizes beyond a table, say) are left out and noted.

        Raises:
            PipelineError: it can run none of them.
        """
        progress.step(f"{self.name}: the reference in float64", 0, len(precisions) + 1)
        with self.reference.open(self.name, "fp64") as runner:
            self._run_reference(runner)
        wanted = [p for p in ULP if p in precisions]
        for place, precision in enumerate(wanted, 1):
            progress.step(f"{self.name}: PyTorch in {precision}", place, len(wanted) + 1)
            try:
                with self.reference.open(self.name, precision) as runner:
                    self.noises[precision] = measure(runner, self.cases, self.truths)
                    self.own_checks[precision] = run_checks(runner.run, self._applicable())
            except (PipelineError, RuntimeError) as err:
                why = first_line(err)
                self.notes.append(f"{self.name}: no PyTorch in {precision} here ({why})")

    def _run_reference(self, runner: Runner) -> None:
        kept, last = [], None
        for case in self.cases:
            try:
                (truth,) = run_cases(runner, [case])
                kept.append(case)
                truth, exempt = exempt_hidden(truth, case, self.inputs, self.outputs)
                self.truths.append(truth)
                for name, count in exempt.items():
                    self.exempt[name] = self.exempt.get(name, 0) + count
            except BadModelError as err:
                last = err
                self.notes.append(f"{self.name}: case {case.name} left out, {err.what}")
        if last is not None and not kept:
            raise last
        self.cases = kept

    def compare(self, candidate: Candidate) -> CandidateResult:
        """Return the candidate's verdict on every output and check."""
        try:
            return self._compare(candidate)
        except BadModelError as err:
            if not self.forgiving:
                raise
            lost = OutputResult("", float("inf"), "", Errors(), None, None, problem=err.what)
            return self._result(candidate, {}, outputs=(lost,))

    def _compare(self, candidate: Candidate) -> CandidateResult:
        runner, missing = attempt(lambda: candidate.open(self.threads))
        if runner is None:
            return self._result(candidate, {}, skipped=missing)
        with runner:
            precisions = candidate.precisions(self.output_names)
            units = candidate.units()
            lossy = [name for name, precision in precisions.items() if precision in FORMATS]
            measured = measure(runner, self.cases, self.truths, lossy)
            # What already failed to run would only fail again in the checks.
            checks = [] if measured.problems else run_checks(runner.run, self._applicable())
            about = runner.describe()
        allowed = [ROUND_TO[p] for p in (candidate.precision,) if p in ROUND_TO]
        check_types(measured, declared_types(self.outputs), allowed)
        held = Allowed(precisions, self.noises, self.tolerance, self.limits, units)
        if self.lost:
            for name in measured.errors:
                measured.problems[name] = self.lost
        judged_outputs = judge_outputs(measured, self.cases, held)
        outputs = tuple(replace(o, exempt=self.exempt.get(o.output, 0)) for o in judged_outputs)
        self.notes += [
            f"{self.name}, {candidate.name}: {check.output} is not deterministic: runs on the same "
            f"inputs differ by up to {check.errors.max:.3g}"
            for check in checks
            if check.name == "repeated runs" and not check.bitwise
        ]
        judged = tuple(
            self._judged(c, precisions.get(c.output, "fp32"), units.get(c.output, 0.0))
            for c in checks
        )
        return self._result(candidate, about, outputs=outputs, checks=judged)

    def _result(
        self, candidate: Candidate, about: Mapping[str, str], **found: Any
    ) -> CandidateResult:
        return CandidateResult(
            name=candidate.name,
            part=self.name,
            precision=candidate.precision,
            file=candidate.file.name,
            describe=about,
            **{"outputs": (), **found},
        )

    def _judged(self, check: Check, precision: str, unit: float = 0.0) -> tuple[Check, float]:
        """Return the check with the share of the noise it used.

        What PyTorch itself does not show is no property of the model: then nothing is asked.
        """
        allowed = self._share(check, precision, unit)
        own = [c for c in self.own_checks.get(precision, []) if _key(c) == _key(check)]
        if own and self._share(own[0], precision, unit) > 1.0:
            reason = "PyTorch itself does not have this property on this model"
            return Check(check.name, check.output, check.bitwise, check.errors, reason), 0.0
        return check, allowed

    def _share(self, check: Check, precision: str, unit: float = 0.0) -> float:
        ulp = ULP.get(precision, ULP["fp32"])
        noise = self.noises.get(precision)
        sizes = [magnitude(truth[check.output]) for truth in self.truths]
        size = max(sizes, key=lambda found: found.rms)
        if precision in FORMATS:
            most = limits_for(precision, self.limits).drop
            return usage(check.errors, Budget((most or math.inf) * size.rms, math.inf, math.inf))
        pooled = Errors()
        if noise is not None:
            pooled = pool(zip(noise.errors[check.output], sizes, strict=True))
        return usage(check.errors, budget_for(Errors(), pooled, size, ulp, unit=unit))

    def _applicable(self) -> Applicable:
        return Applicable(self.inputs, self.outputs, self.cases)


def outputs_differ(first: Arrays, second: Arrays) -> list[str]:
    """Return the outputs only one side has."""
    return sorted(set(first) ^ set(second))


def _key(check: Check) -> tuple[str, str]:
    return check.name, check.output
