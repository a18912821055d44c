"""ONNX to TensorRT engine: profiles, preflight, a build in a child process, and its evidence."""
