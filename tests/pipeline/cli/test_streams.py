"""A command works with any of its standard streams closed, full, or in another encoding."""

import subprocess
import sys

import pytest

SHOW = f"{sys.executable} -m pipeline"


def shell(line, **options):
    return subprocess.run(line, shell=True, capture_output=True, timeout=120, **options)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{} --help 2>&-", 0),
        ("{} --help >&-", 0),
        ("{} --help <&- >&- 2>&-", 0),
        ("{} parity nowhere.onnx nowhere.onnx 2>&-", 2),
        ("{} optimize nowhere.onnx --json >&- 2>&-", 2),
        ("{} --help >/dev/full", 2),
        ("{} parity nowhere.onnx nowhere.onnx 2>/dev/full", 2),
        ("{} embed nowhere \"$(printf '\\377')\"", 2),
        ("LC_ALL=C PYTHONIOENCODING=ascii PYTHONUTF8=0 {} optimize \u6211.onnx", 2),
    ],
    ids=[
        "errors closed",
        "output closed",
        "all closed",
        "an error",
        "json",
        "full",
        "errors full",
        "bytes",
        "ascii",
    ],
)
def test_streams(line, code):
    done = shell(line.format(SHOW))
    assert done.returncode == code, done
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_closed_descriptor_is_not_given_to_a_file(tmp_path):
    code = (
        "import os; from pipeline.cli.streams import make_usable; make_usable();"
        f"f = open({str(tmp_path / 'weights')!r}, 'wb'); print(f.fileno())"
    )
    done = shell(f'{sys.executable} -c "{code}" 2>&-')
    assert int(done.stdout) > 2
