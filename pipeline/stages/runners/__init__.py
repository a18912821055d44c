"""Runners: one shape for every way of executing a model (torch, ONNX Runtime, TensorRT)."""
