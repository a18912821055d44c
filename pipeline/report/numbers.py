"""Numbers as people read them, units always included."""

from __future__ import annotations

import math
from collections.abc import Mapping

DASH = "–"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits, powers of ten where it must be."""
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{decimals}f}".replace(",", "\u202f")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def milliseconds(value: float | None) -> str:
    """Return a duration given in milliseconds, in µs, ms or s."""
    if value is None:
        return DASH
    if value < 1:
        return f"{number(value * 1e3)} µs"
    return f"{number(value)} ms" if value < 1e4 else f"{number(value / 1e3)} s"


def seconds(value: float | None) -> str:
    """Return a duration given in seconds, in µs, ms, s or min."""
    if value is None:
        return DASH
    if value < 1:
        return milliseconds(value * 1e3)
    return f"{number(value)} s" if value < 120 else f"{int(value // 60)} min {value % 60:.0f} s"


def size(value: float | None) -> str:
    """Return bytes in B, kB, MB or GB (powers of ten)."""
    if value is None:
        return DASH
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{number(value / scale)} {unit}"
    return f"{value:.0f} B"


def rate(value: float | None, unit: str) -> str:
    """Return a rate with an SI prefix, e.g. `41.2 GFLOP/s`."""
    if value is None:
        return DASH
    for prefix, scale in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{number(value / scale)} {prefix}{unit}"
    return f"{number(value)} {unit}"


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share as a percentage; never rounded up to 100 from below."""
    if share is None:
        return DASH
    text = f"{share * 100:.{digits}f}"
    if share < 1 and float(text) >= 100:
        text = f"{99.9:.{max(1, digits)}f}"
    return f"{text}\u202f%"


def times(value: float | None) -> str:
    """Return a ratio, e.g. `1.42×`."""
    if value is None or math.isinf(value):
        return DASH
    return f"{value:.2f}×" if value < 100 else f"{value:.0f}×"


def interval(low: float | None, high: float | None) -> str:
    """Return an interval of ratios, e.g. `1.40 – 1.44`; open ends say so."""
    sides = ["?" if v is None or math.isinf(v) or v == 0 else f"{v:.2f}" for v in (low, high)]
    return f"{sides[0]} – {sides[1]}"


def sizes(values: Mapping[str, int]) -> str:
    """Return dynamic sizes, e.g. `batch 8 · seq 128`."""
    return " · ".join(f"{name} {value}" for name, value in values.items()) or "fixed sizes"


def count(value: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun, e.g. `1 site`, `12 sites`."""
    return f"{value} {noun if value == 1 else plural or noun + 's'}"
