"""What tests of several packages need and is slow to make."""

import shutil

import pytest

pytest.register_assert_rewrite("tests.pipeline.text_graphs")  # so that two listings are compared


@pytest.fixture(scope="session")
def made_export(tmp_path_factory):
    """Return the folder of an exported bert-tiny, made once; nobody writes into it."""
    from pipeline.stages.export.options import ExportOptions
    from pipeline.stages.export.stage import export_model

    return export_model(ExportOptions("bert-tiny", tmp_path_factory.mktemp("made") / "out")).folder


@pytest.fixture
def bert_export(made_export, tmp_path):
    """Return a copy of it that a test may work in."""
    return shutil.copytree(made_export, tmp_path / "bert")
