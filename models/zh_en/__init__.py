"""A small Chinese to English translator: its weights, its tokenizer, its model card.

`training/zh_en` in the repository made the files here.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where config.json, weights.safetensors and the tokenizer's files lie."""
