"""Versions, ranges and install hints come from this package's own metadata."""

from __future__ import annotations

import psutil
import pytest

from pipeline import toolchain


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("2.13.0+cpu", "<2.14,>=2.11", True),
        ("2.13.9", "<2.14,>=2.11", True),
        ("2.14.0", "<2.14,>=2.11", False),
        ("2.10.1", "<2.14,>=2.11", False),
        ("2.11", ">=2.11", True),
        ("10.2", ">=9.9", True),
        ("1.0", "", True),
        ("5.0", "==5.0", True),
    ],
)
def test_within(version, wanted, fits):
    assert toolchain.within(version, wanted) is fits


def test_torch_is_capped_to_versions_tried():
    wanted = toolchain.requirements()["torch"]
    assert toolchain.within("2.11.0", wanted)
    assert toolchain.within("2.13.9", wanted)
    assert not toolchain.within("2.14.0", wanted)


@pytest.mark.parametrize(
    ("extra", "package"),
    [
        ("cpu", "onnxruntime>="),
        ("gpu", "onnxruntime-gpu>="),
        ("rtx", "tensorrt-rtx-cu13>="),
        ("tensorrt", "tensorrt>="),
        ("openvino", "openvino>="),
    ],
)
def test_a_hint_names_packages_anyone_can_install(extra, package):
    hint = toolchain.install_hint(extra)
    assert f"'{package}" in hint
    assert "transformer-pipeline[" not in hint


def test_libraries_say_what_they_are_for():
    found = {lib.name: lib for lib in toolchain.libraries()}
    assert found["torch"].version
    assert found["torch"].extra == ""
    assert found["onnxruntime"].extra == "cpu"
    assert all(lib.purpose for lib in found.values())


def test_usable_cores_are_those_the_process_is_bound_to():
    assert toolchain.usable_cores() == len(psutil.Process().cpu_affinity())


def test_machine():
    found = toolchain.machine()
    assert found.cores >= 1
    assert found.memory_bytes > 100_000_000
    assert found.cpu
