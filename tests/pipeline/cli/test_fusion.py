"""Sites in words: proofs, refusals with what broke and what to do, counts."""

from __future__ import annotations

from dataclasses import replace

from pipeline.cli.fusion import STAYS, count_lines, explain_lines, lowering_lines
from pipeline.ort.settings import SessionSettings
from pipeline.records.explain import ExplainRecord, LoweringRecord
from pipeline.records.optimize import BuildCheckRecord, NodeCounts, SiteCounts
from tests.pipeline.records.made import graph_record, proof, refusal, site

FUSED = site(
    path="h.0.attn", anchor="Softmax_1", state="fused", form="4 heads",
    lowering="fuse_attention_standard", proof=proof(error=1.5e-6),
)  # fmt: skip
WHY = refusal(
    nearest="LayerNormalization", step=2, steps=5, asked="", reason="epsilon is a tensor",
    node="Add Add_3", remedy="fold it",
)  # fmt: skip
REFUSED = site(construct="norm", path="", anchor="Mean_7", refusal=WHY)
COUNTS = {
    "attention": SiteCounts(fused=1, plain=0, refused=0),
    "rotary": SiteCounts(fused=0, plain=0, refused=0),
}
PART = graph_record(sites=(FUSED, REFUSED), counts=COUNTS, nodes=NodeCounts(before=9, after=5))


def explained(*sites):
    return ExplainRecord(target="ort-cpu", parts={"model": graph_record(sites=sites, counts={})})


def test_every_site_says_what_became_of_it():
    assert explain_lines(ExplainRecord(target="ort-cpu", parts={"model": PART})) == [
        "target ort-cpu",
        "model:",
        "  fused    attention  h.0.attn  by fuse_attention_standard (4 heads), proof error 1.5e-06",
        "  refused  norm       Mean_7",
        "      nearest: LayerNormalization, step 2 of 5",
        "      broke:   epsilon is a tensor",
        "      at:      Add Add_3",
        "      do:      fold it",
        *count_lines({"model": PART}),
        STAYS,
    ]


def test_sites_refused_for_the_same_reason_are_told_once():
    def at(path, node, reason="Relu is not understood"):
        return replace(
            REFUSED, path=path, refusal=replace(WHY, node=node, reason=reason, asked="the root")
        )

    sites = [at("h.0", "Relu r0"), at("h.1", "Relu r1"), at("h.2", "Tanh t", "Tanh is not")]
    lines = explain_lines(explained(*sites))
    assert "      nearest: LayerNormalization, step 2 of 5: the root" in lines
    assert "      at:      Relu r0" in lines
    assert "      also:    1 more like it: h.1" in lines
    assert sum(line.startswith("  refused") for line in lines) == 2


def test_counts():
    assert count_lines({"model": PART}) == [
        "  model: 9 nodes -> 5",
        "    attention   1 fused",
        "    rotary      none found",
    ]


def test_proofs_that_take_long_say_so():
    slow = replace(FUSED, proof=proof(seconds=326.04))
    lines = count_lines({"model": replace(PART, sites=(FUSED, slow))})
    assert "    proofs took 326.5 s, the longest 326.0 s: attention h.0.attn" in lines
    assert "proof error 1e-07 in 326.0 s" in explain_lines(explained(slow))[2]
    assert not any("proofs took" in line for line in count_lines({"model": PART}))


def test_what_the_builder_said():
    def told(**changes):
        said = {"reason": "", "before": "", "taken_back": 0, "trials": 1, **changes}
        build = BuildCheckRecord(builder="rtx 1.7, 8.9", seconds=2.0, **said)
        return count_lines({"model": replace(PART, build=build)})[-1].strip()

    assert told() == "builds (rtx 1.7, 8.9; 1 trial, 2.0 s)"
    assert told(taken_back=2, trials=9).startswith("builds with 2 sites taken back (")
    both = "does not build, and did not before fusing either (rtx 1.7, 8.9; 3 trials, 2.0 s): odd"
    assert told(reason="odd", before="odd", trials=3) == both
    assert told(reason="no Det").startswith("does not build (")


def test_a_lowering_names_its_source():
    item = LoweringRecord(name="fuse_x", construct="norm", exact="bitwise", source="https://spec")
    assert lowering_lines([item]) == ["fuse_x  (norm, bitwise)", "    https://spec"]


def test_a_full_proof_says_what_it_stands_on():
    def line(**changes):
        return explain_lines(explained(replace(FUSED, proof=proof(error=1e-6, **changes))))[2]

    assert line(inputs=("made-up ranges",)).endswith("proof error 1e-06")
    assert line(inputs=("made-up ranges", "a.npz")).endswith(", also on activations of a.npz")
    assert line(inputs=("made-up ranges",), lacking="in a loop").endswith(
        ", not on activations: in a loop"
    )


def test_caches_written_in_place_are_told():
    part = graph_record(counts={}, session=SessionSettings(in_place={"present": "past"}))
    _, line = count_lines({"model": part})
    assert line.strip().startswith("1 caches are written in place")
    assert "--disable fuse_attention_in_place" in line
