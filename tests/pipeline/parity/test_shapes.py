from pipeline.parity.shapes import LARGEST, choose_shapes
from pipeline.records.tensors import SizeRange

DIMS = {
    "batch": SizeRange(1, 2, 16),
    "source": SizeRange(1, 32, 64),
    "target": SizeRange(1, 1, 64),
    "past": SizeRange(0, 32, 63),
}


def test_three_shapes_none_of_them_the_example():
    seen = {"batch": 2, "source": 32, "target": 1, "past": 32}
    shapes = choose_shapes(DIMS, seen)
    assert len(shapes) == 3
    assert seen not in shapes
    assert shapes[0] == {"batch": 1, "source": 1, "target": 1, "past": 0}
    for shape in shapes[1:]:
        assert all(shape[name] != seen[name] for name in ("source", "past"))
        assert len(set(shape.values())) == 4, "equal sizes would hide exchanged axes"
        assert all(DIMS[name].min <= size <= DIMS[name].max for name, size in shape.items())


def test_a_sum_of_sizes_stays_inside_the_table_of_positions():
    for shape in choose_shapes(DIMS, {}, ["past + target"]):
        assert shape["past"] + shape["target"] <= 64
        assert all(DIMS[name].min <= size for name, size in shape.items())


def test_sizes_stay_small_unless_they_must_be_large():
    shapes = choose_shapes({"seq": SizeRange(1, 128, 4096), "wide": SizeRange(500, 600, 700)}, {})
    assert max(shape["seq"] for shape in shapes) <= LARGEST
    assert all(shape["wide"] >= 500 for shape in shapes)


def test_a_fixed_size_gives_one_shape_unless_it_was_seen():
    fixed = {"seq": SizeRange(8, 8, 8)}
    assert choose_shapes(fixed, {}) == [{"seq": 8}]
    assert choose_shapes({}, {}) == []


def test_a_typical_size_in_the_way_is_stepped_over():
    first = choose_shapes({"seq": SizeRange(1, 1, 64)}, {})[1]["seq"]
    second = choose_shapes({"seq": SizeRange(1, 1, 64)}, {"seq": first})[1]["seq"]
    assert abs(second - first) == 1
