"""Small graphs that use their inputs as transformers do."""

import numpy as np
import onnx
import onnx_ir as ir
from onnx import parser


def parsed(text: str) -> ir.Model:
    """Return the model; tensors declared without a value become random weights."""
    proto = parser.parse_model('<ir_version: 10, opset_import: ["": 21]>\n' + text)
    rng = np.random.default_rng(0)
    made = {name for node in proto.graph.node for name in node.output}
    for info in proto.graph.value_info:
        if info.name not in made:
            shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
            weight = rng.normal(size=shape).astype(np.float32)
            proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, info.name))
    return ir.from_proto(proto)


# A float mask made from integers: 0 -> -1e9, 1 -> 0, added to scores.
ENCODER = """
g (int64[batch, seq] tokens, int64[batch, seq] keep) => (float[batch, seq, 4] out)
<float[50, 4] words, float one = {1.0}, float far = {-1000000000.0}, int64[1] axis = {1}>
{
  x = Gather (words, tokens)
  t = Transpose <perm = [0, 2, 1]> (x)
  s = MatMul (x, t)
  f = Cast <to = 1> (keep)
  i = Sub (one, f)
  m = Mul (i, far)
  b = Unsqueeze (m, axis)
  a = Add (s, b)
  p = Softmax (a)
  out = MatMul (p, x)
}
"""

# A cache that grows, a mask as long as the keys that is only ever indexed, learned positions.
DECODER = """
g (int64[batch, seq] tokens, int64[batch, total] keep, int64[batch, seq] position_ids,
   float[batch, 2, past, 4] k) => (float[batch, 2, seq, 4] out)
<float[50, 8] words, float[30, 8] places, int64 two = {2}, int64[4] heads = {0, 0, 2, 4},
 bool yes = {1}, float far = {-3.4028234663852886e38}, int64[1] minus = {-1}>
{
  w = Gather (words, tokens)
  shifted = Add (position_ids, two)
  e = Gather (places, shifted)
  x = Add (w, e)
  r = Reshape (x, heads)
  new = Transpose <perm = [0, 2, 1, 3]> (r)
  keys = Concat <axis = 2> (k, new)
  t = Transpose <perm = [0, 1, 3, 2]> (keys)
  s = MatMul (new, t)
  c = Cast <to = 9> (keep)
  shape = Shape <start = 2, end = 3> (keys)
  zero = Constant <value_int = 0> ()
  step = Constant <value_int = 1> ()
  size = Squeeze (shape)
  range = Range (zero, size, step)
  visible = Gather <axis = 1> (c, range)
  axes = Constant <value_ints = [1, 2]> ()
  v = Unsqueeze (visible, axes)
  a = Where (v, s, far)
  p = Softmax (a)
  out = MatMul (p, keys)
}
"""

# A boolean mask whose True means "leave out".
PADDED = """
g (float[batch, seq, 4] x, bool[batch, seq] pad) => (float[batch, seq, 4] out)
<float far = {-inf}, int64[1] axis = {1}>
{
  t = Transpose <perm = [0, 2, 1]> (x)
  s = MatMul (x, t)
  b = Unsqueeze (pad, axis)
  a = Where (b, far, s)
  p = Softmax (a)
  out = MatMul (p, x)
}
"""
