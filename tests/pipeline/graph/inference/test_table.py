"""The table lists every standard operator a transformer's export may hold."""

import onnx

from pipeline.graph.inference.table import MICROSOFT, TABLE

# Sequences, strings, losses and detection: their outputs are unknown, which is never wrong.
WITHOUT = {
    "AffineGrid", "CenterCropPad", "Col2Im", "ConcatFromSequence", "DeformConv", "Det",
    "ImageDecoder", "MaxRoiPool", "MaxUnpool", "NegativeLogLikelihoodLoss", "Optional",
    "OptionalGetElement", "OptionalHasElement", "RegexFullMatch", "RoiAlign", "SequenceAt",
    "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength",
    "SequenceMap", "SoftmaxCrossEntropyLoss", "SplitToSequence", "StringConcat",
    "StringNormalizer", "StringSplit", "TfIdfVectorizer",
}  # fmt: skip


def test_every_standard_operator_is_inferred():
    standard = {
        schema.name
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.domain == "" and schema.since_version <= 24
    }
    listed = {name for domain, name in TABLE if domain == ""}
    # ONNX Runtime keeps this one in the standard domain.
    assert listed - {"SimplifiedLayerNormalization"} <= {
        s.name for s in onnx.defs.get_all_schemas_with_history()
    }
    assert standard - listed == WITHOUT


def test_the_fused_operators_we_emit_are_inferred():
    emitted = {"MultiHeadAttention", "GroupQueryAttention", "Attention", "RotaryEmbedding",
               "SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "FastGelu", "Gelu",
               "QuickGelu", "BiasGelu", "EmbedLayerNormalization", "FusedMatMul"}  # fmt: skip
    assert emitted <= {name for domain, name in TABLE if domain == MICROSOFT}
