"""The optimize stage: fuse any ONNX graph for a target, each rewrite proven."""
