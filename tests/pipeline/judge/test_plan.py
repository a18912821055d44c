"""Lifetimes of values in a plan."""

import onnx_ir as ir
import torch

from pipeline.judge.plan import Plan, Step, set_lifetimes


def step(inputs, outputs, kernel=torch.neg) -> Step:
    return Step(kernel, ir.node("Neg", []), inputs, outputs)


def test_a_slot_is_freed_after_its_last_reader_and_results_never():
    steps = [step((1,), (2,)), step((2,), (3,)), step((2,), (4,))]
    set_lifetimes(steps, {3}, {})
    assert [s.frees for s in steps] == [(1,), (), (2, 4)]


def test_an_omitted_input_is_never_freed():
    steps = [step((0, 1), (2,))]
    set_lifetimes(steps, {2}, {})
    assert steps[0].frees == (1,)


def test_a_large_constant_is_loaded_before_its_first_reader():
    steps = [step((1,), (2,)), step((5, 2), (3,), torch.add), step((5, 3), (4,), torch.add)]
    set_lifetimes(steps, {4}, {5: lambda: torch.ones(1)})
    assert [len(s.loads) for s in steps] == [0, 1, 0]
    plan = Plan(steps, [None] * 6, (1,), (), (4,), [""] * 6)
    assert plan([torch.tensor([3.0])])[0].tolist() == [-1.0]


def test_a_result_nobody_reads_is_dropped():
    steps = [Step(lambda x: (x, x), ir.node("Two", []), (1,), (2, 3))]
    set_lifetimes(steps, {2}, {})
    assert set(steps[0].frees) == {1, 3}
