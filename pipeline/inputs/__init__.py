"""Inputs for any ONNX file: synthesised, or kept in files."""

from pipeline.inputs.files import load_inputs, save_inputs
from pipeline.inputs.masks import STYLES, Style
from pipeline.inputs.synthesis import InputMaker, choose_dims, synthesize

__all__ = [
    "STYLES",
    "InputMaker",
    "Style",
    "choose_dims",
    "load_inputs",
    "save_inputs",
    "synthesize",
]
