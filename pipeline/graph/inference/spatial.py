"""Convolutions, pooling, resizing and spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.call import UNKNOWN, Call, Dims, Infer, Info, axis_of
from pipeline.graph.sizes.dims import ONE, Dim
from pipeline.graph.sizes.signs import is_nonnegative


def _window(
    call: Call, x: Dim, axis: int, kernel: Dim, spatial: int, ceil_mode: bool = False
) -> Dim:
    """Return the number of positions of a sliding window along one axis."""
    stride = (call.ints_attr("strides") or [1] * spatial)[axis]
    auto = call.text_attr("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        return (x + stride - 1) // stride
    dilation = (call.ints_attr("dilations") or [1] * spatial)[axis]
    pads = call.ints_attr("pads") or [0] * 2 * spatial
    padding = 0 if auto == "VALID" else pads[axis] + pads[axis + spatial]
    span = x + padding - (kernel - 1) * dilation - 1
    if ceil_mode:
        count = (span + stride - 1) // stride + 1
        # A window that would start in the padding at the end is dropped.
        last = x + (0 if auto == "VALID" else pads[axis])
        covered = padding == 0 and is_nonnegative((kernel - 1) * dilation + 1 - stride)
        if covered or is_nonnegative(last - (count - 1) * stride - 1):
            return count
        return _dropped(call, count, last, stride)
    return span // stride + 1


def _dropped(call: Call, count: Dim, last: Dim, stride: int) -> Dim:
    number, end = count.const, last.const
    if number is None or end is None:
        return call.unifier.fresh()
    return Dim.of(number - 1 if (number - 1) * stride >= end else number)


def _conv(call: Call) -> Sequence[Info]:
    return [Info(_conv_shape(call, call.shape(0), call.shape(1)), call.dtype(0))]


def _conv_shape(call: Call, x: Dims | None, w: Dims | None) -> Dims | None:
    if x is None or len(x) < 3:
        return None if w is None or len(w) < 3 else call.fresh(len(w))
    spatial = len(x) - 2
    given = call.ints_attr("kernel_shape")
    if given is None and (w is None or len(w) != len(x)):
        return (x[0], *call.fresh(spatial + 1))
    kernel = [Dim.of(k) for k in given] if given is not None else list((w or ())[2:])
    channels = w[0] if w else call.unifier.fresh()
    sizes = [_window(call, x[i + 2], i, kernel[i], spatial) for i in range(spatial)]
    return (x[0], channels, *sizes)


def _conv_integer(call: Call) -> Sequence[Info]:
    return [Info(_conv_shape(call, call.shape(0), call.shape(1)), ir.DataType.INT32)]


def _q_linear_conv(call: Call) -> Sequence[Info]:
    return [Info(_conv_shape(call, call.shape(0), call.shape(3)), call.dtype(7))]


def _conv_transpose(call: Call) -> Sequence[Info]:
    x, w = call.shape(0), call.shape(1)
    if x is None or w is None or len(x) < 3 or len(w) != len(x):
        return [Info(None if x is None else call.fresh(len(x)), call.dtype(0))]
    n = len(x) - 2
    channels = w[1] * call.int_attr("group", 1)
    fixed = call.ints_attr("output_shape")
    if fixed is not None:
        return [Info((x[0], channels, *map(Dim.of, fixed[-n:])), call.dtype(0))]
    kernel = [Dim.of(k) for k in call.ints_attr("kernel_shape") or []] or list(w[2:])
    stride = call.ints_attr("strides") or [1] * n
    dilation = call.ints_attr("dilations") or [1] * n
    more = call.ints_attr("output_padding") or [0] * n
    pads = call.ints_attr("pads") or [0] * 2 * n
    same = call.text_attr("auto_pad", "NOTSET").startswith("SAME")
    sizes = []
    for i in range(n):
        if same:
            sizes.append(x[i + 2] * stride[i])
            continue
        full = (x[i + 2] - 1) * stride[i] + more[i] + (kernel[i] - 1) * dilation[i] + 1
        sizes.append(full - pads[i] - pads[i + n])
    return [Info((x[0], channels, *sizes), call.dtype(0))]


def _pool(call: Call) -> Sequence[Info]:
    x, kernel = call.shape(0), call.ints_attr("kernel_shape")
    if x is None or kernel is None or len(x) != len(kernel) + 2:
        return [Info(None, call.dtype(0)), Info(None, ir.DataType.INT64)]
    ceil_mode = bool(call.int_attr("ceil_mode"))
    sizes = [
        _window(call, x[i + 2], i, Dim.of(k), len(kernel), ceil_mode) for i, k in enumerate(kernel)
    ]
    shape = (x[0], x[1], *sizes)
    return [Info(shape, call.dtype(0)), Info(shape, ir.DataType.INT64)]


def _global_pool(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    shape = None if x is None else (*x[:2], *(ONE for _ in x[2:]))
    return [Info(shape, call.dtype(0))]


def _resize(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    if x is None:
        return [Info(None, call.dtype(0))]
    rank = len(x)
    axes = [axis_of(a, rank) for a in call.ints_attr("axes") or range(rank)]
    policy = call.text_attr("keep_aspect_ratio_policy", "stretch")
    scales_at = 1 if len(call.node.inputs) == 2 else 2  # opset 10 has no roi
    sizes = call.ints(3) if call.has(3) else None
    scales = call.array(scales_at)
    if None in axes or policy != "stretch":
        return [Info(call.fresh(rank), call.dtype(0))]
    dims = list(x)
    for i, axis in enumerate(axes):
        assert axis is not None
        if sizes is not None and len(sizes) == len(axes):
            dims[axis] = call.size(sizes[i])
        elif scales is not None and scales.size == len(axes):
            dims[axis] = _scaled(call, dims[axis], float(scales[i]))
        else:
            dims[axis] = call.unifier.fresh()
    return [Info(tuple(dims), call.dtype(0))]


def _scaled(call: Call, dim: Dim, scale: float) -> Dim:
    if scale == int(scale):
        return dim * int(scale)
    number = dim.const
    if number is not None:
        return Dim.of(int(np.floor(np.float32(number) * np.float32(scale))))
    if scale > 0 and 1 / scale == int(1 / scale):
        return dim // int(1 / scale)
    return call.unifier.fresh()


def _upsample(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    given = call.attr("scales")
    scales = np.array(given) if isinstance(given, (list, tuple)) else call.array(1)
    if x is None or scales is None or scales.size != len(x):
        return [Info(None if x is None else call.fresh(len(x)), call.dtype(0))]
    dims = tuple(_scaled(call, d, float(s)) for d, s in zip(x, scales, strict=True))
    return [Info(dims, call.dtype(0))]


def _grid_sample(call: Call) -> Sequence[Info]:
    x, grid = call.shape(0), call.shape(1)
    if x is None or grid is None:
        return [Info(None, call.dtype(0))]
    return [Info((*x[:2], *grid[1:-1]), call.dtype(0))]


def _dft(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    if x is None:
        return [Info(None, call.dtype(0))]
    given = call.const_ints(2) if call.version >= 20 and call.has(2) else None
    default = -2 if call.version >= 20 else 1
    axis = axis_of(given[0] if given else call.int_attr("axis", default), len(x))
    if axis is None or (call.version >= 20 and call.has(2) and given is None):
        return [Info(call.fresh(len(x)), call.dtype(0))]
    dims = [*x[:-1], Dim.of(2)]
    if call.has(1):
        length = call.ints(1)
        dims[axis] = call.size(length[0]) if length else call.unifier.fresh()
    if call.int_attr("onesided"):
        dims[axis] = dims[axis] // 2 + 1
        dims[-1] = Dim.of(1 if call.int_attr("inverse") else 2)
    return [Info(tuple(dims), call.dtype(0))]


def _stft(call: Call) -> Sequence[Info]:
    x, step, window = call.shape(0), call.ints(1), call.shape(2)
    given = call.ints(3) if call.has(3) else None
    length = given[0] if given else (window[0] if window else None)
    if x is None or not step or length is None or not is_nonnegative(step[0] - 1):
        return [Info(call.fresh(4), call.dtype(0))]
    frames = (x[1] - length) // step[0] + 1
    bins = length // 2 + 1 if call.int_attr("onesided", 1) else length
    return [Info((x[0], frames, bins, Dim.of(2)), call.dtype(0))]


def _signal_window(call: Call) -> Sequence[Info]:
    size = call.ints(0)
    dtype = call.type_attr("output_datatype", ir.DataType.FLOAT)
    return [Info((call.size(size[0]) if size else call.unifier.fresh(),), dtype)]


def _mel_weights(call: Call) -> Sequence[Info]:
    bins, length = call.ints(0), call.ints(1)
    dtype = call.type_attr("output_datatype", ir.DataType.FLOAT)
    rows = call.size(length[0] // 2 + 1) if length else call.unifier.fresh()
    return [Info((rows, call.size(bins[0]) if bins else call.unifier.fresh()), dtype)]


def _depth_to_space(call: Call) -> Sequence[Info]:
    x, block = call.info(0), call.int_attr("blocksize", 1)
    if x.shape is None or len(x.shape) != 4:
        return [UNKNOWN]
    n, c, h, w = x.shape
    return [Info((n, c // (block * block), h * block, w * block), x.dtype)]


def _space_to_depth(call: Call) -> Sequence[Info]:
    x, block = call.info(0), call.int_attr("blocksize", 1)
    if x.shape is None or len(x.shape) != 4:
        return [UNKNOWN]
    n, c, h, w = x.shape
    return [Info((n, c * (block * block), h // block, w // block), x.dtype)]


TABLE: dict[str, Infer] = {
    "Conv": _conv,
    "ConvInteger": _conv_integer,
    "QLinearConv": _q_linear_conv,
    "ConvTranspose": _conv_transpose,
    **dict.fromkeys(("AveragePool", "MaxPool", "LpPool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _global_pool),
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Resize": _resize,
    "Upsample": _upsample,
    "GridSample": _grid_sample,
    "DFT": _dft,
    "STFT": _stft,
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow"), _signal_window),
    "MelWeightMatrix": _mel_weights,
}
