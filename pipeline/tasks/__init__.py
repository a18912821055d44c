"""Text in, text out: translate, generate, classify, embed and fill masks with any artifact."""
