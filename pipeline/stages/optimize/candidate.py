"""Running a replacement where it will run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.in_place import in_place_pairs
from pipeline.ort import runtime_installed
from pipeline.ort.known_crashes import HALF
from pipeline.ort.settings import SessionSettings

if TYPE_CHECKING:
    from pipeline.judge import Judge
    from pipeline.ort.session import Session


class Candidate:
    """Runs a replacement in ONNX Runtime, or in the judge where it cannot run there.

    Caches are written in place, as the runners will.

    Attributes:
        engine: What runs it, with its version.
        failure: Why it does not load, empty when it does.
    """

    def __init__(self, model: ir.Model) -> None:
        self.failure, self.engine = "", ""
        self._judge: Judge | None = None
        self._session: Session | None = None
        ends = (*model.graph.inputs, *model.graph.outputs)
        # the runtime has hardly a kernel for bfloat16 on the CPU
        if runtime_installed() and all(v.dtype != ir.DataType.BFLOAT16 for v in ends):
            self._open(model)
        if self._session is None and not self.failure:
            from pipeline.judge import Judge

            self._judge, self.engine = Judge(model, "float32"), "judge float32"

    def _open(self, model: ir.Model) -> None:
        """Open a session; none is opened where an operator has no kernel."""
        from pipeline.ort.errors import MissingKernelError, ModelRefusedError
        from pipeline.ort.session import VERSION, OrtOptions, Session

        self.engine = f"onnxruntime {VERSION} CPU"
        options = OrtOptions(
            threads=1,
            settings=SessionSettings(HALF, in_place=in_place_pairs(model.graph)),
            check_assignment=False,
            weights_folder=find_weights(model),
        )
        try:
            self._session = Session(ir.to_proto(model).SerializeToString(), options)
        except MissingKernelError:
            return
        except ModelRefusedError as error:
            self.failure = f"the replacement does not load: {error.said}"[:300]

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs; what is fed stays as it is."""
        if self._session is not None:
            return self._session.run(feeds)
        assert self._judge is not None
        return {name: value.numpy() for name, value in self._judge.run(feeds).items()}


def find_weights(model: ir.Model) -> Path | None:
    """Return where the weights of a model in memory lie, which stay in their files.

    A session takes one folder; weights from others are read into the model, which is ours to
    change.
    """
    home: Path | None = None
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if isinstance(tensor, ir.ExternalTensor):
            folder = Path(os.path.realpath(tensor.base_dir or "."))
            home = home or folder
            if folder != home:
                value.const_value = ir.tensor(tensor.numpy())
    return home
