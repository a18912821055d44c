"""The report's plots; each takes what was measured and returns inline SVG."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pipeline.records.perf import ConstructLimit, LatencyRecord, PeaksRecord, RatioRecord
from pipeline.report.figure import GRID, INK, MUTED, SERIES, label, legend, new_figure, to_svg

Ratios: TypeAlias = Sequence[tuple[str, RatioRecord]]

VISIBLE = 5e-4
"""Share of elements below which a bar of a histogram would be thinner than a line."""
WIDE = 4.0
"""Ratio between the ends of an axis from which it is logarithmic."""


def error_histogram(
    edges: Sequence[float], noise: Sequence[int], candidates: Mapping[str, Sequence[int]]
) -> str:
    """Return how often errors of each size occur, PyTorch's own rounding as the filled shape.

    Args:
        edges: Decades (base-10 logarithms) between which elements were counted.
        noise: Counts of PyTorch in the same precision; may be empty.
        candidates: Name -> counts.
    """
    figure, axes = new_figure()
    middles = [(a + b) / 2 for a, b in itertools.pairwise(edges)]
    every = [noise, *candidates.values()]
    used = [i for c in every for i, share in enumerate(_shares(c)) if share > VISIBLE]
    if noise:
        share = _shares(noise)
        axes.fill_between(middles, share, step="mid", color=GRID, label="PyTorch itself")
    for color, (name, counts) in zip(SERIES, candidates.items(), strict=False):
        axes.step(middles, _shares(counts), where="mid", color=color, linewidth=1.4, label=name)
    if used:
        axes.set_xlim(middles[max(0, min(used) - 2)], middles[min(len(middles) - 1, max(used) + 2)])
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"1e{value:g}")
    axes.xaxis.set_major_locator(_whole())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    label(axes, "error / rms of the values", "share of elements")
    legend(axes)
    return to_svg(figure, "Histogram of errors against the float64 reference")


def latency_bars(rows: Mapping[str, LatencyRecord]) -> str:
    """Return median latencies with their 5-95 % range of calls, the fastest first.

    Args:
        rows: By name.
    """
    names = sorted(rows, key=lambda name: -rows[name].median)
    figure, axes = new_figure(0.7 + 0.3 * len(names))
    medians = [rows[name].median for name in names]
    right = 1.6 * max(medians)
    axes.barh(names, medians, height=0.55, color=[_color(name, rows) for name in names])
    low = [rows[name].median - rows[name].min for name in names]
    ends = [min(right, rows[name].p95) for name in names]
    high = [max(0.0, end - median) for end, median in zip(ends, medians, strict=True)]
    axes.errorbar(medians, names, xerr=[low, high], fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", colors=INK)
    axes.set_xlim(0, right)
    label(axes, "ms per call: median, fastest to 95 %")
    return to_svg(figure, "Latency of each contender")


def ratio_forest(rows: Ratios) -> str:
    """Return each ratio with its interval beside the equivalence zone, one line per row.

    Args:
        rows: What to call it, and the ratio.
    """
    figure, axes = new_figure(0.8 + 0.3 * len(rows))
    zone = rows[0][1].zone if rows else 0.01
    axes.axvspan(1 / (1 + zone), 1 + zone, color=GRID, linewidth=0)
    axes.axvline(1.0, color=MUTED, linewidth=0.8)
    names = [name for name, _row in rows]
    for place, (_name, row) in enumerate(rows):
        value = row.value
        low, high = (value if end is None else end for end in (row.low, row.high))
        color = SERIES[0] if row.verdict == "faster" else SERIES[1]
        color = MUTED if row.verdict == "no difference" else color
        axes.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
        axes.plot([value], [place], "o", color=color, markersize=5)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", colors=INK)
    _ratio_axis(axes, rows)
    label(axes, "times as fast as the baseline, 99 % interval")
    return to_svg(figure, "Speed ratios with their confidence intervals")


def _ratio_axis(axes: Any, rows: Ratios) -> None:
    """Make the axis logarithmic where ratios span a wide range, and keep 1 in sight."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    ends = [1.0, *(end for _name, row in rows for end in (row.value, row.low, row.high) if end)]
    left, right = min(ends), max(ends)
    if right / left > WIDE:
        axes.set_xscale("log")
        axes.set_xlim(left / 1.2, right * 1.2)
        subs = (1.0,) if right / left > 100 else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=6))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        pad = 0.06 * (right - left) + 0.01
        axes.set_xlim(left - pad, right + pad)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")


def latency_curves(series: Mapping[str, Sequence[tuple[float, float]]], x: str) -> str:
    """Return latency over a size, both axes logarithmic.

    Args:
        series: Contender -> (size, milliseconds), sorted by size.
        x: What the size is.
    """
    figure, axes = new_figure()
    for color, (name, points) in zip(SERIES, series.items(), strict=False):
        axes.plot(*zip(*points, strict=True), "o-", color=color, ms=3.5, lw=1.4, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sorted({point[0] for points in series.values() for point in points})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    label(axes, x, "milliseconds per call")
    legend(axes)
    return to_svg(figure, f"Latency over {x}")


def roofline(constructs: Sequence[ConstructLimit], peaks: PeaksRecord) -> str:
    """Return each construct's reached rate under the measured roof.

    Args:
        constructs: Those without FLOPs or a measured time are left out.
        peaks: Of the machine.
    """
    figure, axes = new_figure(2.7)
    flops_per_s, bytes_per_s = peaks.flops, peaks.bytes
    shown = [(c, c.measured_ms) for c in constructs if c.flops and c.bytes and c.measured_ms]
    intensities = [construct.flops / construct.bytes for construct, _ms in shown]
    ridge = flops_per_s / bytes_per_s
    left, right = min([*intensities, ridge]) / 3, max([*intensities, ridge]) * 3
    axes.plot(
        [left, ridge, right],
        [left * bytes_per_s / 1e9, flops_per_s / 1e9, flops_per_s / 1e9],
        color=MUTED, linewidth=1.4,
    )  # fmt: skip
    for color, (point, ms), intensity in zip(SERIES * 3, shown, intensities, strict=False):
        rate = point.flops / ms / 1e6
        axes.plot([intensity], [rate], "o", ms=6, color=color, label=point.construct)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_xlim(left, right)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    label(axes, "FLOPs per byte moved", "GFLOP/s reached")
    legend(axes)
    return to_svg(figure, "Roofline: rates reached by each construct under the measured peaks")


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [value / total for value in counts]


def _whole() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, nbins=6)


def _color(name: str, rows: Iterable[str]) -> str:
    """Return a contender's colour: the same in every plot with the same contenders."""
    return SERIES[list(rows).index(name) % len(SERIES)]
