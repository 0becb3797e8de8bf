from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import Table, parse
from drivers.modbus.plan import Block, Item, Limits, blocks, items, rejoin
from hub import PointSpec


def plan(*wanted: tuple[str, str], **limits: int) -> list[str]:
    addresses = [parse(PointSpec(name="p", address=a, type=t)) for a, t in wanted]
    return [str(block) for block in blocks(items(addresses), Limits(**limits))]


def test_neighbours_are_read_together():
    assert plan(("hr:0", "uint16"), ("hr:1", "float32")) == ["hr:0+3"]


def test_a_gap_is_read_along_only_while_it_is_small():
    assert plan(("hr:0", "uint16"), ("hr:9", "uint16"), gap=8) == ["hr:0+10"]
    assert plan(("hr:0", "uint16"), ("hr:10", "uint16"), gap=8) == ["hr:0+1", "hr:10+1"]


def test_tables_are_never_mixed():
    assert plan(("ir:0", "uint16"), ("hr:0", "uint16")) == ["hr:0+1", "ir:0+1"]


def test_a_value_is_never_torn_at_the_limit_of_a_request():
    wanted = [(f"hr:{at}", "float32") for at in range(0, 128, 2)]
    assert plan(*wanted) == ["hr:0+124", "hr:124+4"]


def test_bits_have_a_limit_of_their_own():
    wanted = [(f"co:{at}", "bool") for at in range(2001)]
    assert plan(*wanted) == ["co:0+2000", "co:2000+1"]


def test_points_on_the_same_register_share_one_stretch():
    stretches = items([parse(PointSpec(name="p", address=f"hr:5.{b}")) for b in range(16)])
    assert stretches == [Item(Table.HOLDING, 5, 6, tuple(range(16)))]


def test_halves_of_a_block_keep_all_items_in_order():
    block = Block(tuple(Item(Table.HOLDING, at, at + 1, (at,)) for at in range(5)))
    low, high = block.halves()
    assert low.items + high.items == block.items
    assert (len(low.items), len(high.items)) == (2, 3)


def test_parts_join_again_except_beside_what_was_refused():
    def part(start: int, end: int) -> Block:
        return Block((Item(Table.HOLDING, start, end, (start,)),))

    bad = Item(Table.HOLDING, 6, 8, (9,))
    joined = rejoin([part(0, 2), part(2, 6), part(8, 9), part(10, 11)], [bad])
    assert [str(block) for block in joined] == ["hr:0+6", "hr:8+1", "hr:10+1"]


TYPES = {"uint16": 1, "float32": 2, "uint64": 4, "string:20": 10}


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from(sorted(TYPES))), min_size=1, max_size=80
    ),
    st.integers(10, 125),
    st.integers(0, 30),
)
def test_every_point_lies_whole_in_one_block_within_the_limits(wanted, most, gap):
    addresses = [parse(PointSpec(name="p", address=f"hr:{a}", type=t)) for a, t in wanted]
    made = blocks(items(addresses), Limits(registers=most, gap=gap))
    assert sorted(row for block in made for row in block.rows) == list(range(len(wanted)))
    for block in made:
        assert block.count <= most
        for row in block.rows:
            assert block.start <= addresses[row].start
            assert addresses[row].end <= block.end
