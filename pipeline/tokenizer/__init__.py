"""Text to ids and back by the files of an artifact's tokenizer, without transformers where it can.

The export writes down what transformers would do with the tokenizer it saves (`TokenizerRecord`)
and proves that this package does the same. A tokenizer for which that does not hold is read by
transformers itself (`through_transformers`), which costs its import.
"""
