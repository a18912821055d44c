"""Constructs that only ONNX Runtime has operators for; neutral ones stand one folder up."""
