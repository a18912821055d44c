"""Plain PyTorch transformers, one whole model per file; knows nothing of `pipeline`."""
