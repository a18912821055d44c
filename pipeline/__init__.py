"""From a PyTorch transformer to a fused ONNX graph and a TensorRT engine, with proof.

Every stage is a function that takes a frozen options dataclass and returns an Artifact.
They are re-exported here lazily, so that `import pipeline` loads no framework:

    from pipeline import OptimizeOptions, optimize_model
    artifact = optimize_model(OptimizeOptions(source="model.onnx", output="out"))
"""

from __future__ import annotations

__version__ = "0.1.0"
