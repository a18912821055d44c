"""The judge: the float64 reference for proofs, comparisons, typed graphs and ranges."""

from pipeline.judge.fallback import UnsupportedOpError
from pipeline.judge.interpreter import Judge
from pipeline.judge.ranges import Range, RangeTracer

__all__ = ["Judge", "Range", "RangeTracer", "UnsupportedOpError"]
