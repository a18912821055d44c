"""ONNX Runtime: settings, crashes, values, memory; needs onnxruntime and numpy alone."""
