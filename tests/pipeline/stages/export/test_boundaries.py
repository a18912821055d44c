"""Guards of a trace that fail inside the declared range are boundaries."""

import pytest
import torch
from torch import nn

from pipeline.errors import ExportError
from pipeline.stages.export.boundaries import boundaries_of, find_boundaries
from pipeline.stages.export.core import export_parts
from pipeline.stages.export.parts import ExportPart, SizeRange
from pipeline.types import SILENT

DIMS = {"batch": SizeRange(1, 1, 16), "seq": SizeRange(1, 128, 512)}


class Branch(nn.Module):
    """Another result beyond 100 positions, unless `same`."""

    def __init__(self, same=False):
        super().__init__()
        self.same = same

    def forward(self, x):
        if x.shape[1] > 100:
            return (x * 2 if self.same else x * 3,)
        return (x + x,)


def a_part(module, dims=None):
    axes = {"x": {0: "batch", 1: "seq"}}
    return ExportPart("model", module, {"x": torch.randn(2, 3, 8)}, axes, dims or DIMS, ("y",))


def program_of(part):
    class Flat(nn.Module):
        def forward(self, *tensors):
            return part.module(*tensors)

    dynamic = torch.export.Dim.DYNAMIC
    shapes = (({0: dynamic, 1: dynamic},),)
    return torch.export.export(
        Flat(), (*part.inputs.values(),), dynamic_shapes=shapes, strict=False
    )


def test_the_nearest_size_beyond_a_guard_is_named_with_what_is_proven():
    part = a_part(Branch())
    (found,) = [b for b in find_boundaries(program_of(part), part) if b.sizes["seq"] > 1]
    assert found.sizes["seq"] == 101
    assert found.rule == "seq <= 100"
    assert found.proven == "seq 1 to 100"


def test_guards_that_hold_over_the_range_are_no_boundaries():
    dims = {"batch": SizeRange(2, 2, 8), "seq": SizeRange(2, 50, 100)}
    part = a_part(Branch(), dims)
    assert find_boundaries(program_of(part), part) == []


@pytest.mark.parametrize("exporter", ["dynamo", "auto"])
def test_an_export_that_is_wrong_beyond_a_branch_is_refused(tmp_path, exporter):
    with pytest.raises(ExportError, match="holds where seq <= 100, and not beyond") as caught:
        export_parts([a_part(Branch())], tmp_path, exporter, 18, SILENT)
    assert "seq=101" in caught.value.where
    assert "declare seq" in caught.value.fix
    assert "to 100" in caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_a_branch_whose_sides_agree_is_exported(tmp_path):
    export_parts([a_part(Branch(same=True))], tmp_path, "dynamo", 18, SILENT)


def test_an_exporter_without_guards_has_no_boundaries():
    import onnx_ir as ir

    graph = ir.Graph([], [], nodes=[], opset_imports={"": 20})
    assert boundaries_of(ir.Model(graph, ir_version=10)) == []
