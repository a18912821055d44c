import pytest

from pipeline.builder.diagnose import diagnose
from pipeline.builder.request import Heard, ParserRow
from pipeline.errors import BadModelError, BuildError, EnvironmentMissingError


def heard(*lines, rows=(), failed_at="build", failure=""):
    log = [("ERROR", line) for line in lines]
    return Heard(log=log, parser=list(rows), failed_at=failed_at, failure=failure)


def test_the_driver_echo_does_not_hide_the_cause():
    found = diagnose(
        heard("catchCudaError ... cudaError 35", "OutOfMemory (Requested size was 77 bytes.)"),
        1,
        "",
    )
    assert "77 bytes were needed" in found.cause
    assert isinstance(found.error("m.onnx"), BuildError)


def test_the_driver_alone_is_the_cause():
    error = diagnose(heard("catchCudaError ... cudaError 35"), 1, "").error("m.onnx")
    assert isinstance(error, EnvironmentMissingError)
    assert error.exit_code == 3


def test_the_parser_names_the_node_and_counts_the_rest():
    rows = [
        ParserRow("INVALID_NODE", "creator && Plugin not found", "n1", "Odd"),
        ParserRow("INVALID_NODE", "creator && Plugin not found", "n2", "Odd"),
    ]
    error = diagnose(heard(rows=rows, failed_at="parse"), 1, "").error("m.onnx", "encoder.0")
    assert isinstance(error, BadModelError)
    assert error.where == "m.onnx, node n1 (Odd), encoder.0"
    assert "1 more nodes are refused" in error.what


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-11, "signal 11, SIGSEGV.*sharing queries or keys"),
        (-9, "SIGKILL.*memory"),
        (-6, "SIGABRT"),
        (-99, "signal 99, unknown"),
        (0xC0000005, "crashed .status 0xc0000005"),  # Windows: an access violation
    ],
)
def test_crashes(status, words):
    error = diagnose(heard(), status, "Internal Error: something").error("m.onnx")
    assert isinstance(error, BuildError)
    with pytest.raises(BuildError, match=words):
        raise error


def test_full_disk():
    found = diagnose(heard(failed_at="write", failure="No space left on device"), 1, "")
    assert "No space left" in found.cause


def test_unknown_words_are_passed_on():
    found = diagnose(heard("E42: flux capacitor"), 1, "")
    assert found.said == "E42: flux capacitor"
    assert diagnose(heard(failed_at=""), 1, "Traceback\nboom").said == "Traceback"
