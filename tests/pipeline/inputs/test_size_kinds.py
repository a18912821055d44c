"""What kind of size each dim is."""

from pipeline.graph.inference.facts import Facts
from pipeline.inputs.roles import role_of
from pipeline.inputs.size_kinds import channels_of, key_length, size_kinds
from tests.pipeline.inputs.graphs import DECODER, parsed


def analysed(text: str):
    model = parsed(text)
    facts = Facts(model)
    return facts, [role_of(value, facts) for value in model.graph.inputs]


def test_a_past_is_what_grows():
    facts, roles = analysed(DECODER)
    kinds = size_kinds(facts, roles)
    assert kinds == {"batch": "batch", "seq": "sequence", "total": "sequence", "past": "past"}
    assert str(key_length(facts, roles)) == "past + seq"


def test_a_cache_that_does_not_grow_is_no_past():
    """Keys of a cross attention have a length of their own, never 0."""
    facts, roles = analysed("""
    g (float[batch, 2, seq, 4] q, float[batch, 2, source, 4] k) => (float[batch, 2, seq, 4] out)
    { t = Transpose <perm = [0, 1, 3, 2]> (k)  s = MatMul (q, t)  p = Softmax (s)
      out = MatMul (p, k) }
    """)
    assert size_kinds(facts, roles)["source"] == "sequence"
    assert key_length(facts, roles) is None


def test_signals_and_images_go_into_convolutions():
    facts, roles = analysed("""
    g (float[batch, time] wave, float[batch, c, h, w] image) => (float[batch, 2, t] out)
    <float[2, 1, 5] f, float[2, 3, 4, 4] p, int64[1] one = {1}>
    { u = Unsqueeze (wave, one)  out = Conv (u, f)  other = Conv (image, p) }
    """)
    kinds = size_kinds(facts, roles)
    assert kinds["time"] == "samples"
    assert (kinds["c"], kinds["h"], kinds["w"]) == ("channels", "image", "image")
    assert [str(channels_of(facts, role)) for role in roles] == ["None", "3"]


def test_a_mask_over_all_channels_is_no_signal_of_its_own():
    """A mask [b, 1, t] that multiplies the signal before a convolution has its one channel."""
    facts, roles = analysed("""
    g (float[b, 16, t] x, float[b, 1, t] mask, float[b, c, t] z) => (float[b, 4, t] out)
    <float[4, 16, 1] f> { y = Mul (x, mask)  out = Conv (y, f)  other = Conv (z, f) }
    """)
    signal, mask, other = roles
    assert channels_of(facts, signal) is None
    assert channels_of(facts, mask) is None
    assert str(channels_of(facts, other)) == "16"


def test_a_cache_whose_attention_is_told_the_total_is_taken_to_grow():
    """The mask's own length would otherwise have nothing to do with past and tokens."""
    facts, roles = analysed("""
    g (float[b, s, 64] q, int64[b, total] mask, float[b, 2, past, 16] pk, float[b, 2, past, 16] pv)
    => (float[b, s, 32] y) <int64[1] one = {1}, int64 at = {1}>
    { n = ReduceSum <keepdims = 0> (mask, one)  m = Sub (n, one)  ends = Cast <to = 6> (m)
      shape = Shape (mask)  t = Gather (shape, at)  longest = Cast <to = 6> (t)
      y, a, c = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1>
        (q, , , pk, pv, ends, longest) }
    """)
    assert size_kinds(facts, roles)["past"] == "past"
    assert {str(key_length(facts, roles))} <= {"past + s", "s + past"}
