"""What explain says: the sites of every graph, in one row."""

from __future__ import annotations

from pipeline.records.explain import ExplainRecord
from tests.pipeline.records.made import graph_record, site


def test_sites_of_all_graphs():
    parts = {name: graph_record(sites=(site(path=name),)) for name in ("encoder", "decoder")}
    assert [s.path for s in ExplainRecord(target="onnx", parts=parts).sites()] == [*parts]
