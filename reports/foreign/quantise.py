"""Quantised files of the zoo's exports, as ONNX Runtime's own quantisers write them."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

FLOAT = {"DefaultTensorType": onnx.TensorProto.FLOAT}
TRANSPARENT = ("Transpose", "Identity", "Cast")


class Reader:
    """Feeds the zoo's input sets to the calibration.

    Args:
        folder: One export with its inputs A, B and C.
    """

    def __init__(self, folder: Path) -> None:
        graph = onnx.load(folder / "model.onnx").graph
        names = [value.name for value in graph.input]
        files = [np.load(folder / f"{case}.npz") for case in "ABC"]
        self.sets = iter([{name: file[f"in:{name}"] for name in names} for file in files])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next set, None after the last."""
        return next(self.sets, None)


def static(
    *, linear: bool = False, products: bool = False, extra: dict | None = None, **options
) -> Callable:
    """Return a maker of static Q/DQ files.

    Args:
        linear: Quantise only products with weights.
        products: Quantise only products.
        extra: The quantiser's extra options.
        options: For `quantize_static`.
    """

    def make(folder: Path, out: Path) -> None:
        from onnxruntime.quantization import quantize_static

        source = folder / "model.onnx"
        given = {"extra_options": {**FLOAT, **(extra or {})}, **options}
        if linear or products:
            given["op_types_to_quantize"] = ["MatMul", "Gemm"]
        if linear:
            given["nodes_to_exclude"] = products_of_two(source)
        quantize_static(source, out, Reader(folder), **given)

    return make


def products_of_two(path: Path) -> list[str]:
    """Return the names of products of two computed tensors."""
    graph = onnx.load(path).graph
    makers = {name: node for node in graph.node for name in node.output}
    weights = {tensor.name for tensor in graph.initializer}

    def constant(name: str) -> bool:
        while name in makers and makers[name].op_type in TRANSPARENT:
            name = makers[name].input[0]
        return name in weights or (name in makers and makers[name].op_type == "Constant")

    return [n.name for n in graph.node if n.op_type == "MatMul" and not constant(n.input[1])]


def dynamic(*, extra: dict | None = None, **options) -> Callable:
    """Return a maker of dynamic int8 files."""

    def make(folder: Path, out: Path) -> None:
        from onnxruntime.quantization import quantize_dynamic

        given = {**FLOAT, **(extra or {})}
        quantize_dynamic(folder / "model.onnx", out, extra_options=given, **options)

    return make


def four_bits(form: str) -> Callable:
    """Return a maker of files with 4-bit weights."""

    def make(folder: Path, out: Path) -> None:
        from onnxruntime.quantization import QuantFormat
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        model = onnx.load(folder / "model.onnx")
        maker = MatMulNBitsQuantizer(
            model, block_size=32, is_symmetric=True, quant_format=QuantFormat[form]
        )
        maker.process()
        onnx.save(maker.model.model, out)

    return make


def kinds() -> dict[str, tuple[str, Callable]]:
    """Return every kind of file with words for it."""
    from onnxruntime.quantization import QuantFormat

    symmetric = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}
    inputs_only = {"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]}
    tables = ["MatMul", "Gemm", "Gather"]
    operator = {"quant_format": QuantFormat.QOperator}
    return {
        "dynamic": ("dynamic int8, as by default", dynamic()),
        "dynamic-mm": ("dynamic int8, products and tables", dynamic(op_types_to_quantize=tables)),
        "dynamic-all": (
            "dynamic int8, products of activations too",
            dynamic(extra={"MatMulConstBOnly": False}),
        ),
        "qdq-linear": (
            "Q/DQ on products with weights, per channel",
            static(linear=True, per_channel=True),
        ),
        "qdq-symmetric": (
            "the same, symmetric and no bias, as TensorRT wants it",
            static(linear=True, per_channel=True, extra=symmetric),
        ),
        "qdq-inputs": (
            "Q/DQ on the inputs of all products",
            static(products=True, extra=inputs_only),
        ),
        "qdq": ("Q/DQ everywhere, as by default, per tensor", static()),
        "qdq-channel": ("Q/DQ everywhere, per channel", static(per_channel=True)),
        "qoperator": ("QOperator everywhere", static(**operator)),
        "nbits": ("4-bit weights, MatMulNBits", four_bits("QOperator")),
        "nbits-qdq": ("4-bit weights, DequantizeLinear", four_bits("QDQ")),
    }


def make_all(models: Path, out: Path, archs: list[str], dialects: list[str]) -> dict[str, str]:
    """Write every kind of file beside its inputs; return what the quantisers would not make."""
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    failed = {}
    for kind, (_, make) in kinds().items():
        for name in [f"{arch}.{dialect}" for arch in archs for dialect in dialects]:
            source, folder = models / name, out / f"{name}.{kind}"
            if not (source / "model.onnx").exists() or (folder / "model.onnx").exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            for file in source.glob("*.npz"):
                shutil.copy(file, folder)
            try:
                make(source, folder / "model.onnx")
            except Exception as error:
                failed[folder.name] = str(error).strip().splitlines()[0][:200]
    return failed
