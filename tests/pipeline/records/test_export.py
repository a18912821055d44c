"""The export's record: keys that stay, and what is read off them."""

import pytest

from pipeline.errors import FolderError
from pipeline.records.export import ExportRecord, GenerationSpec
from tests.pipeline.records.made import export_record, exported_part, model_source


def test_keys_that_do_not_apply_are_absent():
    told = export_record().to_json()
    assert "cache_capacity" not in told["parts"]["model"]
    assert "path" not in told["model"]
    assert "checkpoint" not in told["model"]["options"]
    assert told["generation"] == {"bos_token_id": 1, "eos_token_id": [2, 3], "max_length": 64}
    assert export_record(generation=None).to_json()["generation"] is None


def test_a_model_may_lie_outside_the_folder_and_its_graphs_may_not():
    outside = export_record(model=model_source(path="../../model.py::build"))
    assert ExportRecord.from_json(outside.to_json()) == outside
    graph = export_record(parts={"model": exported_part(file="../model.onnx")})
    with pytest.raises(FolderError, match=r"parts\[\.\.\.\]\.file"):
        ExportRecord.from_json(graph.to_json())


def test_the_last_part_decodes():
    both = {name: exported_part(name) for name in ("encoder", "decoder")}
    assert export_record(parts=both).last_part.file == "onnx/decoder.exported.onnx"


@pytest.mark.parametrize(
    ("spec", "start", "ends", "pad"),
    [
        (GenerationSpec(), None, (), None),
        (GenerationSpec(bos_token_id=1, eos_token_id=2, pad_token_id=0), 1, (2,), 0),
        (GenerationSpec(bos_token_id=1, decoder_start_token_id=0), 0, (), None),
        (GenerationSpec(decoder_start_token_id=(7, 8), eos_token_id=(2, 3)), 7, (2, 3), None),
        (GenerationSpec(pad_token_id=()), None, (), None),
    ],
    ids=["nothing", "usual", "start of its own, zero", "several", "empty"],
)
def test_special_tokens(spec, start, ends, pad):
    assert (spec.start, spec.ends, spec.pad) == (start, ends, pad)


def test_what_is_told_goes_by_the_names_transformers_gives_it():
    spec = GenerationSpec(eos_token_id=(2, 3), pad_token_id=0, suppress_tokens=(5,), max_length=9)
    told = {"eos_token_id": [2, 3], "pad_token_id": 0, "suppress_tokens": [5], "max_length": 9}
    assert spec.told() == told
    assert GenerationSpec().told() == {}


@pytest.mark.parametrize(
    ("spec", "filling"),
    [
        (GenerationSpec(), 0),
        (GenerationSpec(eos_token_id=(7, 2)), 7),
        (GenerationSpec(eos_token_id=7, pad_token_id=0), 0),
    ],
)
def test_rows_are_filled_up_with_an_end_mark_where_there_is_nothing_else(spec, filling):
    assert spec.filling == filling
