"""What fusing makes unbuildable is taken back, site by site, with the builder's reason."""

import onnx_ir as ir
import pytest

from pipeline.builder.trial import Builder, Trial
from pipeline.errors import UsageError
from pipeline.fusion.plan import plan_for
from pipeline.records.optimize import OptimizedFileRecord
from pipeline.stages.optimize import apply, buildable
from pipeline.stages.optimize.engine import Fused
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.rewrite import Outcome
from pipeline.stages.optimize.stage import optimize_model
from pipeline.types import SILENT
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import model_of

KEYS = [("norm", f"n{i}") for i in range(6)] + [("attention", f"a{i}") for i in range(6)]


class Toy:
    """A graph that is the set of its fused sites, and a builder that refuses some sets."""

    def __init__(self, refuses):
        self.refuses, self.asked = refuses, 0

    def make(self, spared):
        there = [key for key in KEYS if key not in spared]
        outcomes = tuple(Outcome(kind, "", "", "fused", value=value) for kind, value in there)
        return there, Fused(None, outcomes, 0, 0)

    def ask(self, graph):
        self.asked += 1
        return Trial("no kernel" if self.refuses(set(graph)) else "", 0.0)

    def settle(self, **options):
        search = buildable.Search(self.ask, self.make, SILENT, **options)
        (graph, _), before = search.settle(self.make({}), list)
        return search, set(graph), before


def test_a_graph_that_builds_is_tried_once():
    search, graph, before = Toy(lambda sites: False).settle()
    assert (search.trials, search.broken, graph, before) == (1, {}, set(KEYS), "")


@pytest.mark.parametrize("bad", [{KEYS[0]}, {KEYS[11]}, {KEYS[2], KEYS[3], KEYS[8]}, set(KEYS)])
def test_exactly_the_sites_at_fault_stay_plain(bad):
    search, graph, _ = Toy(lambda sites: bool(sites & bad)).settle()
    assert set(search.broken) == bad
    assert graph == set(KEYS) - bad
    assert search.reason == ""
    assert all("no kernel" in reason for reason in search.broken.values())


def test_of_two_that_do_not_go_together_one_is_kept():
    pair = {KEYS[1], KEYS[7]}
    search, graph, _ = Toy(lambda sites: pair <= sites).settle()
    assert set(search.broken) < pair
    assert len(graph) == len(KEYS) - 1


def test_what_did_not_build_before_keeps_all_it_has_fused():
    search, graph, before = Toy(lambda sites: True).settle()
    assert graph == set(KEYS)
    assert (search.reason, before, search.broken) == ("no kernel", "no kernel", {})


def test_what_fails_in_the_end_after_all_leaves_nothing_fused():
    """A builder that changes its mind: what was let in one by one fails as a whole."""
    toy = Toy(lambda sites: KEYS[0] in sites or (toy.asked == toy.last and bool(sites)))
    toy.last = 0
    search, _, _ = toy.settle()
    toy.last, toy.asked = search.trials, 0
    search, graph, _ = toy.settle()
    assert (graph, search.reason) == (set(), "")
    assert set(search.broken) == set(KEYS)


def test_what_the_time_does_not_suffice_for_stays_plain():
    search, graph, _ = Toy(lambda sites: KEYS[0] in sites).settle(limit_s=0.0)
    assert graph == set()
    assert search.reason == ""
    assert all("ended after" in reason for reason in search.broken.values())


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "model.onnx"
    ir.save(model_of(graphs.attention(), opset=18), path)
    return path


def test_only_tensorrt_has_a_builder_to_ask():
    with pytest.raises(UsageError, match="the target is ort-cpu"):
        OptimizeOptions("m.onnx", check_build="yes")


def test_large_graphs_are_not_tried_unasked(source, monkeypatch):
    pytest.importorskip("tensorrt_rtx")
    model = ir.load(source)
    assert buildable.wants_trial("small", model, SILENT)
    monkeypatch.setattr(buildable, "SMALL_BYTES", -1)
    assert not buildable.wants_trial("small", model, SILENT)
    assert buildable.wants_trial("yes", model, SILENT)


def test_a_real_builder_takes_what_is_written_for_it(source, tmp_path):
    pytest.importorskip("tensorrt_rtx")
    options = OptimizeOptions(source, tmp_path / "o.onnx", target="tensorrt", check_build="yes")
    record = optimize_model(options).record
    assert record.build.reason == ""
    assert (record.build.trials, record.build.taken_back) == (1, 0)
    assert record.count("attention").fused == 1
    assert OptimizedFileRecord.from_json(record.to_json()) == record


def test_an_operator_the_builder_lacks_is_taken_back_and_named(tmp_path, monkeypatch):
    """The fault planted: another target's lowerings, of which the parser lacks one operator."""
    pytest.importorskip("tensorrt_rtx")
    text = "(float[B,S,8] a, float[B,S,8] c, float[8] w, float[8] b) => (float[B,S,8] y) " + (
        "{ s = Add(a, c) y = LayerNormalization(s, w, b) }"
    )
    source = tmp_path / "in.onnx"
    ir.save(model_of(text), source)
    monkeypatch.setattr(apply, "plan_for", lambda *_, **__: plan_for("ort-cpu", fuse_all=True))
    options = OptimizeOptions(source, tmp_path / "o.onnx", target="tensorrt", check_build="yes")
    record = optimize_model(options).record
    assert (record.build.reason, record.build.before, record.build.taken_back) == ("", "", 1)
    (site,) = [s for s in record.sites if s.construct == "residual-norm"]
    assert (site.state, site.refusal.node) == ("refused", "")
    assert "the parser has no com.microsoft SkipLayerNormalization" in site.refusal.reason
    assert Builder("tensorrt-rtx").ask(ir.load(tmp_path / "o.onnx")).built
