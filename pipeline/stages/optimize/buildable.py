"""Nothing is made unbuildable: sites with which the engine builder fails are taken back.

The fused graph is tried first; when it builds, that is all. Else the same graph without any fused
site is tried: where that fails too, fusing is not to blame, and all stays fused. Where it builds,
sites are let in again by halves, those of one lowering together, and what does not build alone
beside those that are in already stays plain, with the builder's reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import onnx_ir as ir

from pipeline.graph.files.model_file import load_model
from pipeline.records.optimize import BuildCheckRecord
from pipeline.records.tensors import SizeRange
from pipeline.stages.optimize.builders import builder_flavour
from pipeline.stages.optimize.engine import Fused
from pipeline.stages.optimize.options import CheckBuild
from pipeline.stages.optimize.rewrite import Key, Spared
from pipeline.types import Progress

if TYPE_CHECKING:
    from pipeline.builder.trial import Trial

Made: TypeAlias = tuple[ir.Model, Fused]
Make: TypeAlias = Callable[[Spared], Made]

SMALL_BYTES = 256 << 20  # of weights: seconds and about 1.5 GB of the builder's memory
LIMIT_S = 600.0  # for the search; what is not settled by then stays plain
_UNSETTLED = f"the search for the sites at fault ended after {LIMIT_S:.0f} s, before this one"


def wants_trial(check: CheckBuild, model: ir.Model, progress: Progress) -> bool:
    """Return whether the builder is to be asked about a graph, and say where one is too large."""
    if builder_flavour(check) is None:
        return False
    weights = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value)
    if check == "small" and weights > SMALL_BYTES:
        progress.note(f"whether it builds was not tried: {weights >> 20} MiB of weights")
        return False
    return True


def keep_buildable(
    path: Path, make: Make, first: Made, sizes: Mapping[str, SizeRange], progress: Progress
) -> Made:
    """Return the graph with every fused site that the builder takes, and what the builder said.

    Args:
        path: The file it was made from.
        make: Makes the graph anew, without the sites given.
        first: What it makes when none is left out.
        sizes: What is known of the sizes of the graph's inputs.
        progress: Told of each trial, and of what is taken back.
    """
    from pipeline.builder.trial import Builder

    flavour = builder_flavour("yes")
    assert flavour is not None
    builder = Builder(flavour, sizes)
    search = Search(builder.ask, make, progress)
    made, before = search.settle(first, lambda: load_model(path))
    model, fused = made
    checked = BuildCheckRecord(
        builder=builder.name,
        reason=search.reason,
        before=before,
        taken_back=len(search.broken),
        trials=search.trials,
        seconds=round(search.seconds, 3),
    )
    for (construct, value), reason in search.broken.items():
        progress.note(f"{construct} at {value} stays plain: {reason}")
    if search.reason:
        blame = "; it did not before either" if before else ""
        progress.note(f"{builder.name} does not build it: {search.reason}{blame}")
    return model, replace(fused, build=checked)


@dataclass
class Search:
    """Finds the sites with which a graph does not build.

    Attributes:
        ask: The builder.
        make: Makes the graph without the sites given.
        progress: Told of each trial.
        broken: Sites that stay plain, with the builder's reason.
        reason: Why the graph that was settled on does not build; empty when it does.
        trials, seconds: How often the builder was asked, and how long all took.
    """

    ask: Callable[[ir.Model], Trial]
    make: Make
    progress: Progress
    broken: dict[Key, str] = field(default_factory=dict)
    reason: str = ""
    trials: int = 0
    seconds: float = 0.0
    limit_s: float = LIMIT_S

    def settle(self, first: Made, original: Callable[[], ir.Model]) -> tuple[Made, str]:
        """Return the graph to keep, and why it did not build before fusing, if it did not."""
        started = time.monotonic()
        try:
            self.reason = self._trial(first[0])
            if not self.reason:
                return first, ""
            whole = _fused_keys(first[1])
            if not whole or self._trial(self._without(whole)[0]):
                return first, self._trial(original())
            self._let_in(whole, started)
            made = self.make(self.broken)
            self.reason = self._trial(made[0])
            if self.reason:  # a site that came up only when another was left out
                self.broken |= dict.fromkeys(_fused_keys(made[1]), _told(self.reason))
                made = self.make(self.broken)
                self.reason = self._trial(made[0])
            return made, ""
        finally:
            self.seconds = time.monotonic() - started

    def _let_in(self, whole: Sequence[Key], started: float) -> None:
        """Fill `broken`: the sites of `whole` that cannot be let in beside all others that can."""
        inside: set[Key] = set()
        groups = list(_by_construct(whole))
        while groups:
            group = groups.pop(0)
            if time.monotonic() - started > self.limit_s:
                self.broken |= dict.fromkeys(group, _UNSETTLED)
                continue
            left_out = [key for key in whole if key not in inside and key not in group]
            reason = self._trial(self._without(left_out)[0])
            if not reason:
                inside |= set(group)
            elif len(group) == 1:
                self.broken[group[0]] = _told(reason)
            else:
                middle = len(group) // 2
                groups[:0] = [group[:middle], group[middle:]]

    def _without(self, keys: Sequence[Key]) -> Made:
        return self.make({**dict.fromkeys(keys, "left out for a trial"), **self.broken})

    def _trial(self, model: ir.Model) -> str:
        """Return why a model does not build, empty when it does."""
        self.trials += 1
        self.progress.step(f"asking the engine builder, trial {self.trials}")
        return self.ask(model).reason


def _told(reason: str) -> str:
    return f"the engine builder refuses the graph with it fused: {reason}"


def _fused_keys(fused: Fused) -> list[Key]:
    """Return the sites that were fused, each once, in the order in which they were."""
    made = [o for o in fused.outcomes if o.state == "fused" and o.lowering != "native"]
    return list(dict.fromkeys(outcome.key for outcome in made))


def _by_construct(keys: Sequence[Key]) -> Iterator[list[Key]]:
    for construct in dict.fromkeys(kind for kind, _value in keys):
        yield [key for key in keys if key[0] == construct]
