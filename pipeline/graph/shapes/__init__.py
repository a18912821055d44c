"""Shape and shape-value inference, one small file per family of operators."""
