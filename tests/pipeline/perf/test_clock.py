import pytest

from pipeline.perf.clock import Schedule, measure, opening, rotated


class Fake:
    def __init__(self, name, log, ms=1.0):
        self.name, self.log, self.ms = name, log, ms

    def open(self):
        self.log.append(("open", self.name))

    def close(self):
        self.log.append(("close", self.name))

    def time(self, job, calls):
        self.log.append(("time", self.name, job, calls))
        return {job: [self.ms] * calls}


def test_turns_interleave_after_a_quiet_moment_and_every_sample_is_kept():
    log, ticks = [], []
    workers = [Fake("a", log), Fake("b", log, 20.0)]
    plan = Schedule(sessions=3, rounds=2, turn_s=0.04)
    got = measure(
        workers,
        ["x", "y"],
        plan,
        lambda done, total: ticks.append((done, total)),
        lambda seconds: log.append(("quiet", seconds)),
    )
    assert [len(s) for s in got.times["a"]["x"]] == [2, 2, 2]
    assert got.times["a"]["y"][2][1] == [1.0] * 40
    assert got.times["b"]["y"][2][1] == [20.0] * 2
    assert ticks[-1] == (12, 12)
    assert sum(entry == ("quiet", 0.1) for entry in log) == 12
    for index, entry in enumerate(log):
        if entry[0] == "quiet":
            assert [log[index + 1][i] for i in (0, 2)] == ["time", "x"]
            assert log[index + 1][1] == log[index + 2][1], "one contender per turn"
    assert sum(entry[0] == "open" for entry in log) == 6
    assert sum(entry[0] == "close" for entry in log) == 6


def test_nobody_always_follows_the_same_neighbour():
    workers = [Fake(name, []) for name in "abc"]
    orders = ["".join(w.name for w in rotated(workers, turn)) for turn in range(6)]
    assert {order[0] for order in orders} == set("abc")
    followers = {(order[i], order[i + 1]) for order in orders for i in range(2)}
    assert len(followers) == 6


def test_nobody_is_always_opened_first():
    workers = [Fake(name, []) for name in "abcde"]
    orders = ["".join(w.name for w in opening(workers, session)) for session in range(6)]
    assert orders[:4] == ["abcde", "edcba", "bcdea", "aedcb"]
    for name in "abcde":
        assert sum(order.index(name) for order in orders) == 12, "the same place on average"


def test_a_session_opens_in_its_own_order():
    log = []
    workers = [Fake("a", log), Fake("b", log)]
    measure(workers, ["x"], Schedule(sessions=3, rounds=1), sleep=lambda seconds: None)
    assert [entry[1] for entry in log if entry[0] == "open"] == ["a", "b", "b", "a", "b", "a"]


@pytest.mark.parametrize(("ms", "calls"), [(0.001, 100), (1.0, 40), (15.0, 3), (900.0, 1)])
def test_calls_per_turn(ms, calls):
    assert Schedule().calls(ms) == calls


@pytest.mark.parametrize(("seconds", "made"), [(1.0, 6), (50.0, 4), (1000.0, 3)])
def test_a_slow_machine_gets_fewer_sessions_but_never_less_than_three(seconds, made):
    ticks = iter(range(100))
    worker = Fake("a", [])
    plan = Schedule(sessions=6, rounds=1, limit_s=90.0)
    got = measure([worker], ["x"], plan, sleep=lambda s: None, now=lambda: seconds * next(ticks))
    assert len(got.times["a"]["x"]) == made
