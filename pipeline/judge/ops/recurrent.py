"""RNN, GRU and LSTM with their default activations; others go to onnx.reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from pipeline.judge.op import Kernel, Maker, Op, Table, Tensor, left_to_reference

_State = tuple[Tensor, ...]
_Cell = Callable[[Op, Tensor, _State, Tensor, Tensor, Tensor | None], _State]
_DEFAULTS = {
    "RNN": ("Tanh",),
    "GRU": ("Sigmoid", "Tanh"),
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
}


def _rnn(_op: Op, x: Tensor, state: _State, r: Tensor, b: Tensor, _peep: Tensor | None) -> _State:
    return (torch.tanh(x + state[0] @ r.T + b),)


def _gru(op: Op, x: Tensor, state: _State, r: Tensor, b: Tensor, _peep: Tensor | None) -> _State:
    h = state[0]
    size = h.shape[-1]
    xz, xr, xh = torch.split(x, size, -1)
    rz, rr, rh = torch.split(r, size, 0)
    bz, br, bh = torch.split(b, size, -1)
    z = torch.sigmoid(xz + h @ rz.T + bz)
    reset = torch.sigmoid(xr + h @ rr.T + br)
    if op.get("linear_before_reset", 0):
        new = torch.tanh(xh + reset * (h @ rh.T + bh))
    else:
        new = torch.tanh(xh + (reset * h) @ rh.T + bh)
    return ((1 - z) * new + z * h,)


def _lstm(op: Op, x: Tensor, state: _State, r: Tensor, b: Tensor, peep: Tensor | None) -> _State:
    h, c = state
    i, o, f, g = torch.split(x + h @ r.T + b, h.shape[-1], -1)
    if peep is not None:
        pi, po, pf = torch.split(peep, h.shape[-1], -1)
        i, f = i + pi * c, f + pf * c
    f = 1 - torch.sigmoid(i) if op.get("input_forget", 0) else torch.sigmoid(f)
    c = f * c + torch.sigmoid(i) * torch.tanh(g)
    o = o + po * c if peep is not None else o
    return torch.sigmoid(o) * torch.tanh(c), c


class _Inputs(NamedTuple):
    """The operator's inputs in order; `rest` are initial states, then LSTM's peepholes."""

    x: Tensor
    w: Tensor
    r: Tensor
    b: Tensor | None = None
    lengths: Tensor | None = None
    rest: tuple[Tensor | None, ...] = ()


def _recurrent(cell: _Cell, states: int) -> Maker:
    def make(op: Op) -> Kernel:
        directions = {"bidirectional": (0, 1), "reverse": (1,)}.get(op.get("direction", ""), (0,))
        usual = _DEFAULTS[op.kind] * len(directions)
        if tuple(op.get("activations", usual)) != usual or op.get("clip") is not None:
            return left_to_reference

        def kernel(*inputs: Any) -> Any:
            given = _Inputs(*inputs[:5])._replace(rest=tuple(inputs[5:]))
            batch_first = op.get("layout", 0)
            if batch_first:
                given = given._replace(
                    x=given.x.transpose(0, 1),
                    rest=(*(_swapped(s) for s in given.rest[:states]), *given.rest[states:]),
                )
            runs = [_one_way(op, cell, states, given, *way) for way in enumerate(directions)]
            y = torch.stack([run[0] for run in runs], 1)
            last = [torch.stack([run[1][s] for run in runs]) for s in range(states)]
            if batch_first:
                y, last = y.permute(2, 0, 1, 3), [s.transpose(0, 1) for s in last]
            return (y, *last)

        return kernel

    return make


def _swapped(state: Tensor | None) -> Tensor | None:
    return None if state is None else state.transpose(0, 1)


def _one_way(
    op: Op, cell: _Cell, states: int, given: _Inputs, index: int, back: int
) -> tuple[Tensor, _State]:
    """Return the hidden state of each step and the last state of one direction."""
    x, w, r = given.x, given.w[index], given.r[index]
    steps, batch = x.shape[:2]
    width = r.shape[-1]
    initial = [*given.rest[:states], *[None] * (states - len(given.rest[:states]))]
    state: _State = tuple(x.new_zeros(batch, width) if s is None else s[index] for s in initial)
    peeps = given.rest[states] if len(given.rest) > states else None
    peep = None if peeps is None else peeps[index]
    none = x.new_zeros(r.shape[0])
    wb, rb = (none, none) if given.b is None else torch.split(given.b[index], r.shape[0])
    projected = x @ w.T + wb
    outputs = x.new_zeros(steps, batch, width)
    for step in reversed(range(steps)) if back else range(steps):
        new = cell(op, projected[step], state, r, rb, peep)
        if given.lengths is not None:
            # A row past its length keeps its state and yields zeros.
            live = (step < given.lengths)[:, None]
            state = tuple(torch.where(live, n, s) for n, s in zip(new, state, strict=True))
            outputs[step] = torch.where(live, new[0], torch.zeros((), dtype=x.dtype))
        else:
            state = new
            outputs[step] = new[0]
    return outputs, state


TABLE: Table = {
    ("", "RNN"): _recurrent(_rnn, 1),
    ("", "GRU"): _recurrent(_gru, 1),
    ("", "LSTM"): _recurrent(_lstm, 2),
}
