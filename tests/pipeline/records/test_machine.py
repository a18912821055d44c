"""The machine, as data."""

import pytest

from pipeline.records.machine import Machine
from pipeline.records.record import as_json, read
from pipeline.toolchain import machine


def test_this_machine_survives_its_json_form():
    told = as_json(machine())
    assert read(Machine, told) == machine()
    assert list(told) == ["python", "system", "cpu", "cores", "memory_bytes"]


@pytest.mark.parametrize("cores", ["2", 2.5, None, True], ids=repr)
def test_a_number_of_cores_is_a_number(cores):
    with pytest.raises(ValueError, match="cores"):
        read(Machine, {**as_json(machine()), "cores": cores})
