from openwa_manager.store.ids import new_id

NOW = 1_800_000_000.0


def test_ids_sort_by_time() -> None:
    ids = [new_id("evt", at) for at in (0.0, 1.0, NOW, NOW + 0.001, NOW + 1e6)]

    assert sorted(ids) == ids
    assert all(len(one) == len("evt_") + 26 for one in ids)


def test_an_id_is_a_ulid() -> None:
    """The time is that of the example at github.com/ulid/spec."""
    one = new_id("evt", 1_469_918_176.385)

    assert one.startswith("evt_01ARYZ6S41")
    assert set(one[4:]) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
