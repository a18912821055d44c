"""Nothing needs what Windows lacks: no module of POSIX is imported, no such name is used.

The commands run here on an interpreter from which those modules and names were taken away,
their child processes too. That is no run on Windows; it shows what would fail there at once.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import helper

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path for folder in ("pipeline", "models", "examples") for path in (ROOT / folder).rglob("*.py")
)

MODULES = [
    "crypt", "curses", "fcntl", "grp", "nis", "ossaudiodev", "pty", "pwd", "readline",
    "resource", "spwd", "syslog", "termios", "tty",
]  # fmt: skip
NAMES = {
    "os": {
        "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "chown",
        "copy_file_range", "eventfd", "fchmod", "fchown", "fork", "forkpty", "getegid",
        "geteuid", "getgid", "getloadavg", "getpgid", "getpgrp", "getpriority",
        "getsid", "getuid", "killpg", "lchown", "memfd_create", "mkfifo", "mknod",
        "nice", "openpty", "pipe2", "posix_fadvise", "posix_fallocate", "posix_spawn",
        "pread", "preadv", "pwrite", "pwritev", "readv", "register_at_fork",
        "sched_getaffinity", "sched_setaffinity", "sched_yield", "sendfile", "setgid",
        "setpgid", "setsid", "setuid", "splice", "statvfs", "sync", "sysconf", "uname",
        "wait", "wait3", "wait4", "waitid", "writev",
    },
    "signal": {
        "ITIMER_REAL", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL",
        "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGXCPU",
        "SIGXFSZ", "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer",
        "siginterrupt", "sigpending", "sigtimedwait", "sigwait", "sigwaitinfo",
    },
}  # fmt: skip
KEYWORDS = {"pass_fds", "preexec_fn", "process_group"}  # of subprocess

# The two libraries that are there for what differs between systems are loaded before: they
# bring a file of their own for Windows. Names of os stay: what else is installed is built for
# this system and calls them.
SITE = f"""
import filelock, psutil, signal, subprocess, sys
for name in {MODULES!r}:
    sys.modules[name] = None
for name in {sorted(NAMES["signal"])!r}:
    if hasattr(signal, name):
        delattr(signal, name)
"""

IMPORT_ALL = """
import importlib, pkgutil, sys
import models, pipeline
for package in (models, pipeline):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if found.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name not in ("openvino", "tensorrt", "tensorrt_rtx"):  # extras
                raise
print(len([name for name in sys.modules if name.startswith("pipeline.")]))
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Return a function that runs Python where those modules and names are gone."""
    place = tmp_path_factory.mktemp("site")
    (place / "sitecustomize.py").write_text(SITE)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(place), str(ROOT)))}

    def python(*words, cwd=place):
        done = subprocess.run(
            [sys.executable, *map(str, words)], capture_output=True, text=True, env=env, cwd=cwd
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return python


def used_names(tree):
    """Return `module.name` for each attribute of os and signal, and the keywords of calls."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in NAMES:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.keyword):
            found.add(str(node.arg))
    return found


def imported_at_the_top(tree):
    """Return the modules imported outside functions."""
    found, waiting = set(), list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += ast.iter_child_nodes(node)
    return found


def test_no_module_needs_what_windows_lacks():
    forbidden = {f"{module}.{name}" for module, names in NAMES.items() for name in names}
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        found = imported_at_the_top(tree) & set(MODULES)
        found |= used_names(tree) & (forbidden | KEYWORDS)
        assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_the_check_sees_what_it_looks_for():
    tree = ast.parse(
        "try:\n    import fcntl\nexcept ImportError:\n    pass\n"
        "import subprocess\ndef f():\n    import pwd\n    subprocess.run(x, pass_fds=())\n"
        "    os.kill(1, signal.SIGKILL)\n"
    )
    assert imported_at_the_top(tree) == {"fcntl", "subprocess"}
    assert {"pass_fds", "signal.SIGKILL"} <= used_names(tree)


def test_what_is_taken_away_is_gone(elsewhere):
    said = elsewhere(
        "-c", "import signal, sys; print(hasattr(signal, 'SIGKILL'), sys.modules['fcntl'])"
    )
    assert said.split() == ["False", "None"]


def test_every_module_is_imported_without_it(elsewhere):
    assert int(elsewhere("-c", IMPORT_ALL)) > 300


def test_the_command_line_runs_without_it(elsewhere, tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, ["n", 8])],
        [helper.make_tensor_value_info("y", 1, ["n", 8])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        tmp_path / "a.onnx",
    )
    for words in (
        ["--help"],
        ["doctor"],
        ["optimize", "a.onnx", "-o", "b.onnx"],
        ["optimize", "a.onnx", "-o", "out"],
        ["parity", "a.onnx", "b.onnx"],
        ["perf", "a.onnx", "a.onnx", "--sessions=1", "--rounds=1", "--no-roofline"],
    ):
        elsewhere("-m", "pipeline", *words, cwd=tmp_path)
    assert (tmp_path / "out/manifest/optimize.ort-cpu-fp32.json").is_file()
