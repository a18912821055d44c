"""Corpus generator, training and evaluation of the translator in `models/zh_en`."""

from pathlib import Path

DATA = Path(__file__).parent
"""Where the lexicon, the fixed phrases and the everyday sentences lie."""
