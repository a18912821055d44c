"""Reading, normalising and understanding ONNX graphs."""
