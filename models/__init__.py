"""Plain PyTorch transformers, one readable file per family; knows nothing of `pipeline`."""
