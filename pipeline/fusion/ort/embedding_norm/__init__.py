"""An embedding: rows of two or three tables, summed and normalised."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.ort.embedding_norm.find import find_embeddings
from pipeline.fusion.ort.embedding_norm.lower import FuseEmbeddingNorm


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    lowering = FuseEmbeddingNorm(fuse_all=choice.fuse_all, target=choice.target)
    return (Pass("embedding", find_embeddings, (lowering,)),)
