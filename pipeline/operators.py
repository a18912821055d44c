"""Families of ONNX operators by name, for what several parts of the toolkit mean alike.

The names hold for ai.onnx and com.microsoft. A set that only one part needs, or that means
something of its own there, stands in that part.
"""

from __future__ import annotations

# One operator is a whole attention; its input that a mask or bias on the scores goes into.
MASK_INPUT = {"Attention": 3, "MultiHeadAttention": 5, "GroupQueryAttention": 10}
ATTENTIONS = frozenset(MASK_INPUT)

PLAIN_NORMS = frozenset({"LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"})
RESIDUAL_NORMS = frozenset({"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"})
NORMS = PLAIN_NORMS | RESIDUAL_NORMS | {"EmbedLayerNormalization"}

GELUS = frozenset({"Gelu", "FastGelu", "BiasGelu", "QuickGelu"})

CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})  # they hold graphs

RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial",
     "Bernoulli"}
)  # fmt: skip

QUANTISERS = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})

COMPARISONS = frozenset({"Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"})

CASTS = frozenset({"Cast", "Identity"})  # the numbers stay, their type may be another

GATHERS = frozenset({"Gather", "GatherElements", "GatherND"})  # of a table, at indices

RESHAPES = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})  # the data stays as it lies
