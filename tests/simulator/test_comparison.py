import pytest

from openwa_manager.simulator.http.wire import Json
from tests.simulator.recordings import differences, header_differences

RECORDED: dict[str, Json] = {
    "id": "659b1334-9759-4064-a19a-1c5a8adf9c4f",
    "status": "ready",
    "count": 1,
    "createdAt": "2026-11-22T07:22:01.000Z",
    "phone": None,
    "list": [{"status": "sent"}],
}


def test_other_identifiers_and_times_are_no_difference() -> None:
    actual = RECORDED | {"id": "00000000-0000-4000-8000-000000000000", "createdAt": "2027-01-01T00:00:00.000Z"}

    assert [*differences(RECORDED, actual)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": "failed"},
        {"count": "1"},
        {"count": True},
        {"id": "acme-01"},
        {"createdAt": "2026-11-22T07:22:01Z"},
        {"createdAt": "2026-11-22T07:22:01.123Z"},
        {"createdAt": None},
        {"phone": "62825860468"},
        {"list": []},
        {"list": [{"status": "read"}]},
        {"extra": 1},
    ],
)
def test_everything_else_is_a_difference(change: dict[str, Json]) -> None:
    assert [*differences(RECORDED, RECORDED | change)] != []


def test_a_missing_field_is_a_difference() -> None:
    assert [*differences(RECORDED, {name: value for name, value in RECORDED.items() if name != "phone"})] != []


def test_another_order_of_fields_is_a_difference() -> None:
    assert [*differences(RECORDED, dict(reversed(RECORDED.items())))] != []


@pytest.mark.parametrize("actual", [{}, {"X-Request-ID": "1", "Allow": "a"}, {"x-request-id": "acme", "allow": "b"}])
def test_headers_are_compared_by_name_and_value(actual: dict[str, str]) -> None:
    recorded = {"X-Request-ID": "e1ca06ae-1749-4d9f-9d83-eefbf2d1604b", "Allow": "a"}

    assert [*header_differences(recorded, actual)] != []
