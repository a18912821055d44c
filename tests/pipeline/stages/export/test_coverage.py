"""What is proven covers the range and other values than the example's."""

import pytest
import torch
from torch import nn

from pipeline.errors import ExportError, ValueBranchError
from pipeline.stages.export import coverage
from pipeline.stages.export.boundaries import Boundary
from pipeline.stages.export.core import export_parts
from pipeline.stages.export.coverage import beyond, compute_coverage, other_values, varied
from pipeline.stages.export.parts import ExportPart, SizeRange
from pipeline.types import SILENT

DIMS = {"batch": SizeRange(1, 1, 16), "seq": SizeRange(1, 128, 512)}
AXES = {"x": {0: "batch", 1: "seq"}, "mask": {0: "batch", 1: "seq"}}


class Masked(nn.Module):
    """Multiplies by the mask where it hides anything."""

    def forward(self, x, mask):
        if not mask.all():
            return (x * mask[..., None],)
        return (x + 0 * mask[..., None],)


class Long(nn.Module):
    """Another result for long texts, by a number that no tracer sees."""

    def forward(self, x, mask):
        return (x * (2 if len(x[0]) > 200 else 1) + mask[..., None],)


def a_part(module):
    inputs = {"x": torch.randn(2, 3, 8), "mask": torch.ones(2, 3, dtype=torch.int64)}
    return ExportPart("model", module, inputs, AXES, DIMS, ("y",))


def test_the_range_is_run_to_its_ends():
    probes, missed = compute_coverage(a_part(Long()))
    assert {probe.sizes["seq"] for probe in probes} >= {128, 512}
    assert {probe.sizes["batch"] for probe in probes} >= {1, 16}
    assert missed == []


def test_ends_that_cost_too_much_are_left_out_and_told(monkeypatch):
    monkeypatch.setattr(coverage, "_timed", lambda part, sizes: (None, 10.0))
    probes, missed = compute_coverage(a_part(Long()))
    assert {probe.of for probe in probes} == {"values"}
    assert missed == [
        "batch was run up to 3 of 16: more would take long",
        "seq was run up to 3 of 512: more would take long",
    ]


def test_sizes_at_which_pytorch_fails_are_told():
    class Table(nn.Module):
        def forward(self, x, mask):
            return (x + torch.ones(64, 8)[: x.shape[1]] + mask[..., None],)

    probes, missed = compute_coverage(a_part(Table()))
    assert max(probe.sizes["seq"] for probe in probes) <= 64
    assert any("PyTorch itself fails at batch=1, seq=" in sentence for sentence in missed)


def test_a_difference_at_the_end_of_the_range_is_found(tmp_path):
    with pytest.raises(ExportError, match="seq"):
        export_parts([a_part(Long())], tmp_path, "torchscript", 18, SILENT)


@pytest.mark.parametrize("exporter", ["auto", "torchscript"])
def test_a_branch_on_a_mask_is_refused_for_what_it_is(tmp_path, exporter):
    """With an example without padding a trace holds the unpadded way alone."""
    with pytest.raises(ValueBranchError, match=r"forward\(\) decides by") as caught:
        export_parts([a_part(Masked())], tmp_path, exporter, 18, SILENT)
    assert "torch.where" in caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_masks_are_padded_and_full_by_their_own_two_values():
    inputs = {
        "visible": torch.tensor([[1, 1, 1], [1, 1, 0]]),
        "hidden": torch.tensor([[False, False, False], [False, False, True]]),
        "ids": torch.tensor([[5, 6, 7]]),
        "x": torch.tensor([[1.0, 2.0]]),
        "flag": torch.tensor(1),
    }
    padded, full = varied(inputs, padded=True), varied(inputs, padded=False)
    assert padded["visible"].tolist() == [[1, 1, 0], [1, 0, 0]]
    assert padded["hidden"].tolist() == [[False, False, True], [False, True, True]]
    assert full["visible"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert not full["hidden"].any()
    assert sorted(padded["ids"][0].tolist()) == [5, 6, 7]
    assert padded["ids"].tolist() != [[5, 6, 7]]
    assert padded["x"].tolist() == [[-2.0, -1.0]]
    assert padded["flag"] is inputs["flag"]


def test_values_that_the_module_refuses_are_left_out():
    class Positive(nn.Module):
        def forward(self, x, mask):
            if (x < 0).any():
                raise ValueError("negative")
            return (x + mask[..., None],)

    part = a_part(Positive())
    part.inputs["x"] = part.inputs["x"].abs() + 1
    assert other_values(part) == []


def test_a_boundary_too_far_to_run_is_refused_with_what_is_proven(monkeypatch):
    monkeypatch.setattr(coverage, "FARTHEST", 0.0)
    far = Boundary({"batch": 2, "seq": 512}, "seq <= 400", "seq 1 to 400")
    with pytest.raises(ExportError, match="goes another way where not seq <= 400") as caught:
        beyond(a_part(Long()), [far])
    assert "declare seq 1 to 400" in caught.value.fix
