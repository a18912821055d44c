"""What the parser and the builder say, and what it means: one table, first match wins.

Each rule is a pattern over one line of log or parser text, the cause in our words, and a
remedy. `kind` decides the exit code: `model` for what the file or its shapes get wrong (2),
`build` for what the builder could not do (4), `environment` for what this machine lacks (3).
Named groups of the pattern fill the cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["model", "build", "environment"]


@dataclass(frozen=True)
class Rule:
    """One known message."""

    pattern: re.Pattern[str]
    cause: str
    fix: str
    kind: Kind = "model"


def _rule(pattern: str, cause: str, fix: str, kind: Kind = "model") -> Rule:
    return Rule(re.compile(pattern, re.DOTALL), cause, fix, kind)


_OPTIMIZE = "run `pipeline optimize --target tensorrt` first: it writes a form the parser takes"
_SPLIT = "leave this attention written out; `pipeline optimize --target tensorrt` does"
_PROFILE = "correct --minShapes/--optShapes/--maxShapes"

RULES: tuple[Rule, ...] = (
    # files
    _rule(r"Network must have at least one output|the network has no output",
          "the file holds no graph: it is empty or no ONNX", "export the model again"),
    _rule(r"Failed to open file: (?P<name>\S+)",
          "the weights file {name} is missing",
          "external data must lie beside the .onnx under the name it records"),
    _rule(r"external weights offset/length out of range for file:? ?(?P<name>\S*)",
          "the weights file {name} is shorter than the graph says", "copy it again"),
    _rule(r"Input file cannot be found|not a regular file", "there is no such ONNX file", ""),
    _rule(r"MODEL_DESERIALIZE_FAILED|Failed to parse the ONNX model",
          "the file is truncated or no ONNX", "export or copy it again"),
    _rule(r"Failed to sort the model topologically|duplicate.*tensor name|sorted topologically",
          "the graph has a cycle or a tensor defined twice", "`polygraphy check lint` names it"),
    # attention forms the parser lacks
    _rule(r"softcap == 0", "TensorRT's attention has no soft-cap", _SPLIT),
    _rule(r"softmax precision is not supported", "softmax_precision is not supported", _SPLIT),
    _rule(r"only supports Attention nodes with one output",
          "attention with past/present or qk_matmul_output outputs is not supported",
          "concatenate past and present outside the operator; `pipeline optimize` does"),
    _rule(r"Option mask cannot be used together with CausalMaskKind",
          "attention cannot be causal and masked at once",
          "add the causal part to the mask; `pipeline optimize --target tensorrt` does"),
    _rule(r"Key and Value must have the same shape",
          "keys and values have different head sizes", _SPLIT),
    _rule(r"not supported by a dedicated kernel",
          "an attention has no dedicated kernel and decomposition is off",
          "drop --require-fused-attention, or use --precision fp16 (head size 9..256)", "build"),
    _rule(r"(?P<which>cos|sin)Cache has batch size 1 but must have the same batch size",
          "RotaryEmbedding's {which} cache has batch 1 and its input does not",
          "`pipeline optimize --target tensorrt` repairs it"),
    # dtypes against targets
    _rule(r"Cannot compile for target\(s\) (?P<targets>[\w, ]+?), because the model contains "
          r"HW-specific datatypes: (?P<types>\w+)",
          "{targets} cannot run {types}",
          "drop those targets, or choose another --precision", "build"),
    _rule(r"Turing \(SM75\): (?P<what>[\w ]+?) is not supported",
          "compute capability 7.5 cannot run this: {what}",
          "drop 7.5, or use --precision fp16", "build"),
    _rule(r"Failed to import initializer: (?!In node)(?P<name>[^\s,]+)",
          "the parser has no type for the initializer {name}",
          "UINT4, FP8 E5M2 and E8M0 cannot be read; use INT4 or FP8 E4M3"),
    # shapes and profiles
    _rule(r"ensure that the optimization profiles satisfy MIN<=OPT<=MAX",
          "a profile's shapes do not ascend", _PROFILE),
    _rule(r"no optimization profile has been defined",
          "the graph has dynamic inputs and no profile was given",
          "give --minShapes/--optShapes/--maxShapes or --dim NAME=MIN:OPT:MAX"),
    _rule(r"Dynamic input tensor (?P<name>\S+) is missing dimensions in profile (?P<n>\d+)",
          "profile {n} has no shapes for the input {name}", _PROFILE),
    _rule(r"input tensor (?P<name>\S+) has (?P<have>\d+) dimensions but profile (?P<n>\d+) has "
          r"(?P<got>\d+)",
          "input {name} has {have} dims, profile {n} gives {got}", _PROFILE),
    _rule(r"Dimension mismatch for tensor (?P<name>\S+) and profile (?P<n>\d+)\. "
          r"At dimension axis (?P<axis>\d+), (?P<rest>[^\n]*)",
          "axis {axis} of input {name} contradicts profile {n}: {rest}", _PROFILE),
    _rule(r"(?P<name>\S+): Input dimensions with this name have [^\n]*contradictory",
          "inputs that share the dim {name} were given ranges without a common value", _PROFILE),
    _rule(r"k(?P<end>MIN|OPT|MAX) values for profile (?P<n>\d+) violate shape constraints: "
          r"(?P<rest>[^\n]*)",
          "the {end} sizes of profile {n} do not suit the graph: {rest}",
          "name sizes it takes: --dim NAME=MIN:OPT:MAX, or --minShapes/--optShapes/--maxShapes"),
    # graphs that contradict themselves
    _rule(r"must have same input types[^\n]*?(?P<a>Float|Half|BFloat16|Int\w+) and (?P<b>\w+)",
          "operands of different types: {a} and {b}",
          "strong typing inserts no casts; `pipeline optimize --precision` types the whole graph"),
    _rule(r"last dimension of input0 = (?P<a>\d+)[^\n]*",
          "a MatMul's operands do not fit: inner size {a}", "the graph is inconsistent"),
    _rule(r"reshape changes volume|[Rr]eshape[^\n]*volume",
          "a Reshape changes the number of elements",
          "the graph is inconsistent, or does not take these sizes: --dim NAME=MIN:OPT:MAX"),
    _rule(r"Plugin not found|creator && ",
          "TensorRT has no such operator", _OPTIMIZE),
    _rule(r"UNSUPPORTED_NODE", "the parser does not take this form of the operator", _OPTIMIZE),
    # resources
    _rule(r"Requested size was (?P<bytes>\d+) bytes",
          "the workspace is too small: {bytes} bytes were needed", "raise --memPoolSize",
          "build"),
    _rule(r"no tactics to implement the operation within workspace limit",
          "the workspace is too small for any kernel", "raise --memPoolSize", "build"),
    _rule(r"OutOfMemory|bad_alloc|Cannot allocate memory",
          "the machine ran out of memory", "build fewer targets at once, or on a larger host",
          "build"),
    _rule(r"BuildCanceled|Build canceled by user", "the build was cancelled", "", "build"),
    _rule(r"Unable to load library: (?P<name>\S+)", "the library {name} is missing",
          "reinstall the TensorRT wheels", "environment"),
    _rule(r"graph_jit\.cpp.*CUDA_SUCCESS|not found in the accelerator list",
          "refittable or stripped plans need a GPU", "build on a machine with a driver",
          "environment"),
    _rule(r"Could not find any implementation for node (?P<name>[^\n]*?)\.?$",
          "no kernel implements {name}", "try another precision or a higher optimization level",
          "build"),
    _rule(r"CUDA initialization failure|cudaError 35|no CUDA-capable device",
          "no NVIDIA driver answers here", "full TensorRT builds on the GPU it targets; "
          "--backend tensorrt-rtx builds without one", "environment"),
)  # fmt: skip
