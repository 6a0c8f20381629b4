"""A repeat of what an engine has posted is answered once what it repeats is on disk, and not before."""

import asyncio

from openwa_manager.domain.session.session import LaunchId
from openwa_manager.domain.session.stimuli import MessageAcknowledged
from openwa_manager.services.sessions.mailbox import MailboxEntry, confirm_repeats
from tests.domain.session.driver import a_session

SEEN = MessageAcknowledged(launch_id=LaunchId("launch"), message_id="m", fate="sent")


def posted(key: str | None) -> MailboxEntry:
    return MailboxEntry(stimuli=(SEEN,), answer=asyncio.get_running_loop().create_future(), key=key)


def is_answered(entry: MailboxEntry) -> bool:
    assert entry.answer is not None
    return entry.answer.done()


async def test_what_repeats_something_that_came_with_it_does_nothing_and_is_answered_with_it() -> None:
    first, repeat = posted("once"), posted("once")

    fresh = confirm_repeats((first, repeat), (), a_session())

    assert [each.stimuli for each in fresh] == [(SEEN,), ()]
    assert not is_answered(first)
    assert not is_answered(repeat)
    for each in fresh:
        each.confirm(a_session())
    assert is_answered(repeat)


async def test_what_repeats_something_on_disk_is_answered_at_once() -> None:
    repeat, other, nameless = posted("once"), posted("other"), posted(None)

    fresh = confirm_repeats((repeat, other, nameless), {"once"}, a_session())

    assert fresh == [other, nameless]
    assert is_answered(repeat)
    assert not is_answered(other)
