"""Running a replacement where it will run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.in_place import in_place_pairs

if TYPE_CHECKING:
    from onnxruntime import SessionOptions


class Candidate:
    """Runs a replacement in ONNX Runtime, or in the judge where it cannot run there.

    Attributes:
        engine: What runs it, with its version.
        failure: Why it does not load, empty when it does.
    """

    def __init__(self, model: ir.Model) -> None:
        from pipeline.judge import Judge

        self.failure, self._in_place = "", in_place_pairs(model.graph)
        self.engine, self._judge, self._session = "judge float32", None, None
        try:
            import onnxruntime
        except ImportError:
            onnxruntime = None
        ends = (*model.graph.inputs, *model.graph.outputs)
        if onnxruntime is None or any(v.dtype == ir.DataType.BFLOAT16 for v in ends):
            # numpy has no bfloat16 that ONNX Runtime's Python interface would take
            self._judge = Judge(model, "float32")
            return
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        _find_weights(model, options)
        proto = ir.to_proto(model).SerializeToString()
        self.engine = f"onnxruntime {onnxruntime.__version__} CPU"
        try:
            self._session = onnxruntime.InferenceSession(
                proto,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["NchwcTransformer"],  # crashes on float16, see `passes`
            )
        except Exception as error:
            if "NOT_IMPLEMENTED" in str(error):
                self._judge, self.engine = Judge(model, "float32"), "judge float32"
            else:
                self.failure = f"the replacement does not load: {error}"[:300]

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs."""
        if self._session is not None:
            names = [output.name for output in self._session.get_outputs()]
            return dict(zip(names, self._computed(names, dict(feeds)), strict=True))
        assert self._judge is not None
        return {name: value.numpy() for name, value in self._judge.run(feeds).items()}

    def _computed(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs; caches are written in place, as the runners will."""
        session = self._session
        assert session is not None
        if not self._in_place:
            results: list[np.ndarray] = session.run(names, feeds)
            return results
        from onnxruntime import OrtValue

        shared = {name: feeds[name].copy() for name in self._in_place.values()}
        values = {
            name: OrtValue.ortvalue_from_numpy(array) for name, array in (feeds | shared).items()
        }
        binding = session.io_binding()
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        for name in names:
            if name in self._in_place:
                binding.bind_ortvalue_output(name, values[self._in_place[name]])
            else:
                binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        made = zip(names, binding.get_outputs(), strict=True)
        return [
            shared[self._in_place[name]] if name in self._in_place else value.numpy()
            for name, value in made
        ]


def _find_weights(model: ir.Model, options: SessionOptions) -> None:
    """Tell a session of a model in memory where its weights lie; they stay in their files.

    It takes one folder; weights from others are read into the model, which is ours to change.
    """
    home = ""
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if isinstance(tensor, ir.ExternalTensor):
            folder = os.path.realpath(tensor.base_dir or ".")
            home = home or folder
            if folder != home:
                value.const_value = ir.tensor(tensor.numpy())
    if home:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", home
        )
