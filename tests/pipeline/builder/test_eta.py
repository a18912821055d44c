from dataclasses import replace

from pipeline.builder.eta import Build, Estimate, estimate, load_history, remember

BUILD = Build("tensorrt-rtx", "1", 100 << 20, 1, 1, -1, 10.0)


def test_nothing_known():
    assert estimate(BUILD, []) is None
    assert estimate(BUILD, [replace(BUILD, flavour="tensorrt")]) is None
    assert estimate(BUILD, [replace(BUILD, level=5)]) is None


def test_time_grows_with_bytes_and_targets():
    assert estimate(BUILD, [BUILD]) == Estimate(10.0, 1)
    assert estimate(replace(BUILD, graph_bytes=200 << 20), [BUILD]) == Estimate(20.0, 1)
    assert estimate(replace(BUILD, targets=4), [BUILD]) == Estimate(40.0, 1)


def test_small_graphs_cost_a_constant():
    small = replace(BUILD, graph_bytes=1000, seconds=0.5)
    assert estimate(replace(small, graph_bytes=100_000), [small]) == Estimate(0.5, 1)


def test_the_nearest_sizes_count():
    far = [replace(BUILD, graph_bytes=9 << 30, seconds=1.0) for _ in range(9)]
    near = [replace(BUILD, seconds=s) for s in (9.0, 10.0, 11.0, 10.0, 10.0)]
    assert estimate(BUILD, far + near) == Estimate(10.0, 5)


def test_history_survives_damage_and_read_only_folders(tmp_path):
    path = tmp_path / "cache" / "builds.jsonl"
    assert load_history(path) == []
    remember(path, BUILD)
    with path.open("a") as file:
        file.write('{"broken\n{"flavour": 1}\n')
    remember(path, BUILD)
    assert load_history(path) == [BUILD, BUILD]
    remember(tmp_path / "cache" / "builds.jsonl" / "impossible", BUILD)
