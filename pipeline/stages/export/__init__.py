"""Stage one: a PyTorch transformer becomes ONNX files that hold at every size."""
