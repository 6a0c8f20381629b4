from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.connections.places import Places


@dataclass(eq=False)
class Guest:
    """A connection without a wire."""

    name: str
    group: str | None = None
    holder: str | None = None
    is_idle: bool = False
    is_cut: bool = field(default=False, init=False)

    def cut(self) -> None:
        self.is_cut = True


def seated(places: Places, *guests: Guest) -> list[bool]:
    return [places.take(each) for each in guests]


def known(places: Places, *guests: Guest, holder: str) -> None:
    for each in guests:
        assert places.take(each)
        each.holder = holder
        places.renew(each)


def guests(count: int, **facts: object) -> list[Guest]:
    made = [Guest(f"guest {number}") for number in range(count)]
    for each in made:
        for name, value in facts.items():
            setattr(each, name, value)
    return made


def test_of_strangers_the_one_goes_that_asked_longest_ago() -> None:
    places = Places(3, 32)
    first, second, third, newcomer = guests(4)
    seated(places, first, second, third)
    places.renew(first)

    assert places.take(newcomer)

    assert [each.is_cut for each in (first, second, third)] == [False, True, False]
    assert len(places) == 3


def test_strangers_never_take_the_place_of_somebody_known() -> None:
    places = Places(4, 32)
    friends = guests(2, is_idle=True)
    known(places, *friends, holder="key_1")

    assert all(seated(places, *guests(100)))

    assert not any(each.is_cut for each in friends)


def test_somebody_is_let_in_while_strangers_hold_all_places() -> None:
    places = Places(4, 32)
    strangers = guests(4)
    seated(places, *strangers)
    friend = Guest("friend")

    known(places, friend, holder="key_1")
    seated(places, *guests(50))

    assert not friend.is_cut
    assert strangers[0].is_cut


def test_strangers_of_one_address_make_room_for_each_other_alone() -> None:
    places = Places(100, 2)
    neighbour = Guest("neighbour", group="192.0.2.7")
    of_one = guests(3, group="192.0.2.1")

    seated(places, neighbour, *of_one)

    assert [each.is_cut for each in (neighbour, *of_one)] == [False, True, False, False]


def test_a_known_caller_does_not_count_against_its_address() -> None:
    places = Places(100, 2)
    friends = guests(5, group="192.0.2.1")

    for each in friends:
        known(places, each, holder="key_1")
    of_strangers = guests(2, group="192.0.2.1")
    seated(places, *of_strangers)

    assert not any(each.is_cut for each in (*friends, *of_strangers))


def test_without_strangers_one_goes_that_nothing_is_asked_on() -> None:
    places = Places(2, 32)
    busy, idle, newcomer = Guest("busy"), Guest("idle", is_idle=True), Guest("newcomer")
    known(places, busy, holder="key_1")
    known(places, idle, holder="key_2")

    assert places.take(newcomer)

    assert (busy.is_cut, idle.is_cut) == (False, True)


def test_one_key_does_not_keep_the_others_out() -> None:
    places = Places(8, 32)
    greedy, modest = guests(6), guests(2)
    known(places, *greedy, holder="key_1")
    known(places, *modest, holder="key_2")

    assert places.take(Guest("newcomer"))

    assert [each.is_cut for each in (*greedy, *modest)] == [True, *[False] * 7]


def test_nobody_goes_when_all_are_served_and_have_a_fair_part() -> None:
    places = Places(8, 32)
    for number in range(4):
        known(places, *guests(2), holder=f"key_{number}")

    assert not places.take(Guest("newcomer"))


def test_many_keys_together_do_not_keep_another_one_out() -> None:
    places = Places(32, 32)
    for number in range(8):
        known(places, *guests(4), holder=f"key_{number}")
    friend = Guest("friend")

    known(places, friend, holder="key of somebody else")

    assert not friend.is_cut
    assert len(places) <= 32


def test_who_has_as_many_as_all_others_gets_none_of_theirs() -> None:
    places = Places(32, 32)
    kept = [guests(6) for _ in range(5)]
    for number, each in enumerate(kept):
        known(places, *each, holder=f"key_{number}")
    one_more = Guest("one more")

    known(places, one_more, holder="key_0")

    assert one_more.is_cut
    assert not any(guest.is_cut for each in kept for guest in each)


def test_who_has_no_key_takes_no_place_of_somebody_known_who_is_served() -> None:
    places = Places(32, 32)
    kept = [guests(6) for _ in range(5)]
    for number, each in enumerate(kept):
        known(places, *each, holder=f"key_{number}")

    assert all(seated(places, *guests(100)))

    assert not any(guest.is_cut for each in kept for guest in each)


def test_whose_key_is_wrong_on_its_next_request_is_a_stranger_again() -> None:
    places = Places(1, 32)
    former = Guest("former")
    known(places, former, holder="key_1")
    former.holder = None
    places.renew(former)

    assert places.take(Guest("newcomer"))
    assert former.is_cut


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["come", "know", "ask", "leave"]), st.integers(0, 30), st.sampled_from("ab")),
        max_size=200,
    ),
    count=st.integers(1, 40),
)
def test_there_are_never_more_than_there_are_places(steps: list[tuple[str, int, str]], count: int) -> None:
    places = Places(count, 2)
    present: list[Guest] = []
    for step, number, group in steps:
        present = [each for each in present if not each.is_cut]
        chosen = present[number % len(present)] if present else None
        if step == "come":
            guest = Guest("guest", group=group)
            present += [guest] if places.take(guest) else []
        elif chosen is not None and step == "leave":
            places.leave(chosen)
            present.remove(chosen)
        elif chosen is not None:
            chosen.holder = group if step == "know" else chosen.holder
            places.renew(chosen)

        seats = [each for each in present if not each.is_cut]
        assert set(places.connections()) == set(seats)
        assert len(places) <= count
        assert max((sum(g.group == x and g.holder is None for g in seats) for x in "ab"), default=0) <= 2
