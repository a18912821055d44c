import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.ort import huge_pages as module
from pipeline.ort.huge_pages import AFTER, LEAST, NEVER, TRIM_THRESHOLD, huge_pages

ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SCRIPT = """
import sys
from contextlib import nullcontext
from pathlib import Path
from pipeline.ort.huge_pages import give_back, huge_pages

def held():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    rows = {line.split()[0]: int(line.split()[1]) << 10 for line in lines[1:]}
    return rows["AnonHugePages:"] >> 20, rows["Anonymous:"] >> 20

before = held()[1]
with huge_pages(96 << 20) if sys.argv[1] == "huge" else nullcontext():
    parts = [bytearray(16 << 20) for _ in range(6)]
print(*held(), before)
del parts
give_back()
print(held()[1])
"""


class Recorder:
    """A C library that says what it was asked."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append((name, *arguments))
            return {"malloc": 5 << 20, "sbrk": 1 << 60}.get(name, 0)

        return call


@pytest.fixture
def libc(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(module, "_glibc", lambda: recorder)
    return recorder


def _held(kind):
    said = subprocess.check_output([sys.executable, "-c", SCRIPT, kind], text=True)
    return [int(word) for word in said.split()]


@pytest.mark.skipif(module._glibc() is None, reason="not a system with glibc")
@pytest.mark.skipif(
    not ENABLED.is_file() or "[never]" in ENABLED.read_text(), reason="no huge pages to be had here"
)
def test_what_is_allocated_inside_lies_in_huge_pages_and_goes_back_to_the_system():
    huge, anonymous, before, after = _held("huge")
    assert huge >= 32  # of 96: a system whose memory lies in pieces gives fewer
    assert anonymous - before < 110  # what was prepared and not used was never taken
    assert after - before < 20
    assert _held("plain")[1] - before >= 90  # the same memory without


def test_the_heap_grows_by_more_than_was_asked_and_the_rule_is_set_back(libc):
    with pytest.raises(ZeroDivisionError), huge_pages(LEAST):
        1 / 0  # noqa: B018
    names = [name for name, *_ in libc.calls]
    assert names[:5] == ["mallopt", "mallopt", "malloc", "sbrk", "madvise"]
    assert libc.calls[0] == ("mallopt", TRIM_THRESHOLD, NEVER)
    assert libc.calls[2] == ("malloc", LEAST * 5 // 4)
    assert libc.calls[4] == ("madvise", 6 << 20, 38 << 20, 14)  # whole pages of 5 to 45 MiB
    assert [call[1:] for call in libc.calls[6:-1]] == list(AFTER.items())
    assert libc.calls[-1] == ("malloc_trim", 0)


def test_little_memory_and_other_threads_are_left_alone(libc):
    with huge_pages(LEAST - 1):
        pass

    def elsewhere():
        with huge_pages(LEAST):
            pass

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert libc.calls == []


def test_memory_of_another_allocator_is_not_advised(libc, monkeypatch):
    monkeypatch.setattr(Recorder, "sbrk", lambda self, by: 1 << 20, raising=False)
    with huge_pages(LEAST):
        pass
    assert {name for name, *_ in libc.calls} == {"mallopt", "malloc", "free", "malloc_trim"}


def test_no_memory_to_prepare_is_no_error(libc, monkeypatch):
    monkeypatch.setattr(Recorder, "malloc", lambda self, size: None, raising=False)
    with huge_pages(LEAST):
        pass
    assert {name for name, *_ in libc.calls} == {"mallopt", "malloc_trim"}


def test_a_system_without_glibc_is_left_alone(monkeypatch):
    monkeypatch.setattr(module.platform, "libc_ver", lambda: ("", ""))
    module._glibc.cache_clear()
    try:
        assert module._glibc() is None
        with huge_pages(LEAST):
            pass
    finally:
        module._glibc.cache_clear()
