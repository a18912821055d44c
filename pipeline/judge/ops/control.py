"""If, Loop, Scan, and the sequences they pass around. Sequences are Python lists of tensors."""

from __future__ import annotations

from typing import Any

import torch

from pipeline.judge.op import Kernel, Op, Table, Tensor, always

MOST_ROUNDS = 100_000  # seconds in the judge; real graphs loop over the positions of a text


def if_(op: Op) -> Kernel:
    """Return the results of the branch the condition picks."""
    yes, no = op.bodies["then_branch"], op.bodies["else_branch"]

    def kernel(condition: Tensor, *captured: Any) -> Any:
        branch = yes if bool(condition.reshape(())) else no
        return tuple(branch((), captured))

    return kernel


def loop(op: Op) -> Kernel:
    """Return the carried values after the last round, then the stacked scan outputs."""
    body, arity = op.bodies["body"], op.arity
    carried = arity - 2

    def kernel(*inputs: Any) -> Any:
        limit, condition, *state = inputs[:arity]
        captured = inputs[arity:]
        rounds = None if limit is None else int(limit.reshape(()).item())
        go = condition is None or bool(condition.reshape(()))
        scans: list[list[Tensor]] = [[] for _ in range(len(op.outputs) - carried)]
        _require_few(rounds or 0)
        count = 0
        while go and (rounds is None or count < rounds):
            results = body((torch.tensor(count), torch.tensor(True), *state), captured)
            go = bool(results[0].reshape(()))
            state = results[1 : 1 + carried]
            for scan, value in zip(scans, results[1 + carried :], strict=True):
                scan.append(value)
            count += 1
            _require_few(count)
        return (*state, *[_stacked(scan) for scan in scans])

    return kernel


def _require_few(rounds: int) -> None:
    """Raise ValueError for a loop that would not end while anybody waits."""
    if rounds > MOST_ROUNDS:
        raise ValueError(f"{rounds} rounds of a Loop; at most {MOST_ROUNDS} are computed")


def _stacked(values: list[Tensor]) -> Tensor:
    # A loop that never ran leaves no shape to stack; an empty vector is all there is to say.
    return torch.stack(values) if values else torch.zeros(0)


def scan(op: Op) -> Kernel:
    """Return the final state, then the stacked outputs, stepping along each scan axis."""
    body, arity, scanned = op.bodies["body"], op.arity, op.get("num_scan_inputs")
    states = arity - scanned
    produced = len(op.outputs) - states
    in_axes = op.get("scan_input_axes", (0,) * scanned)
    in_back = op.get("scan_input_directions", (0,) * scanned)
    out_axes = op.get("scan_output_axes", (0,) * produced)
    out_back = op.get("scan_output_directions", (0,) * produced)

    def kernel(*inputs: Any) -> Any:
        state, captured = list(inputs[:states]), inputs[arity:]
        rows = []
        for x, axis, back in zip(inputs[states:arity], in_axes, in_back, strict=True):
            steps = x.unbind(axis)
            rows.append(steps[::-1] if back else steps)
        outputs: list[list[Tensor]] = [[] for _ in range(produced)]
        for step in zip(*rows, strict=True):
            results = body((*state, *step), captured)
            state = results[:states]
            for held, value in zip(outputs, results[states:], strict=True):
                held.append(value)
        stacked = [
            torch.stack(values[::-1] if back else values, axis)
            for values, axis, back in zip(outputs, out_axes, out_back, strict=True)
        ]
        return (*state, *stacked)

    return kernel


def sequence_at(sequence: list[Tensor], position: Tensor) -> Tensor:
    """Return one tensor of a sequence; negatives count from behind."""
    return sequence[int(position)]


def sequence_insert(
    sequence: list[Tensor], tensor: Tensor, position: Tensor | None = None
) -> list[Tensor]:
    """Return the sequence with a tensor put in, at the end by default."""
    at = len(sequence) if position is None else int(position)
    at = at + len(sequence) if at < 0 else at
    return [*sequence[:at], tensor, *sequence[at:]]


def sequence_erase(sequence: list[Tensor], position: Tensor | None = None) -> list[Tensor]:
    """Return the sequence without one tensor, the last by default."""
    rest = list(sequence)
    del rest[-1 if position is None else int(position)]
    return rest


def split_to_sequence(op: Op) -> Kernel:
    """Return x cut along `axis` into a sequence."""
    axis, keep = op.get("axis", 0), op.get("keepdims", 1)

    def kernel(x: Tensor, split: Tensor | None = None) -> list[Tensor]:
        if split is None:
            parts = list(torch.split(x, 1, axis))
            return parts if keep else [part.squeeze(axis) for part in parts]
        sizes = split.tolist()
        return list(torch.split(x, sizes, axis))

    return kernel


def concat_from_sequence(op: Op) -> Kernel:
    """Return the tensors of a sequence joined along `axis`, a new one with new_axis."""
    axis, join = op.get("axis"), torch.stack if op.get("new_axis", 0) else torch.cat
    return lambda sequence: join(sequence, axis)


TABLE: Table = {
    ("", "If"): if_,
    ("", "Loop"): loop,
    ("", "Scan"): scan,
    ("", "SequenceConstruct"): always(lambda *xs: list(xs)),
    ("", "SequenceEmpty"): always(list),
    ("", "SequenceAt"): always(sequence_at),
    ("", "SequenceInsert"): always(sequence_insert),
    ("", "SequenceErase"): always(sequence_erase),
    ("", "SequenceLength"): always(lambda xs: torch.tensor(len(xs))),
    ("", "SplitToSequence"): split_to_sequence,
    ("", "ConcatFromSequence"): concat_from_sequence,
}
