"""ONNX files: read without their weights, checked before they are believed, written."""
