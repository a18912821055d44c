"""A small Chinese to English translator: corpus generator, tokenizer, training, weights."""
