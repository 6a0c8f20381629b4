"""Tells who is on WhatsApp, shows all that is kept of one person, and forgets it."""

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import web

from openwa_manager.api.access.records import secure_record
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.messaging.people.dependencies import PeopleDependencies
from openwa_manager.api.messaging.people.models import (
    CheckIn,
    ChecksOut,
    ErasedOut,
    KnownInOut,
    NumberOut,
    PersonMessageOut,
    PersonOut,
)
from openwa_manager.api.messaging.people.paths import user_id_in
from openwa_manager.api.messaging.people.suppressions import out as suppression_out
from openwa_manager.api.messaging.responses import message_out
from openwa_manager.api.requests import Nothing
from openwa_manager.api.responses import timestamp
from openwa_manager.api.routing import Call, Route, json_answer, json_of, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import InvalidInputError, InvalidRecipientError
from openwa_manager.domain.messaging.messages import Message, UserKey, key_of_user
from openwa_manager.domain.times import iso8601
from openwa_manager.services.messaging.outlook import MessageView
from openwa_manager.services.messaging.people.checks import CheckedChat
from openwa_manager.services.messaging.people.erasure import Person
from openwa_manager.services.sessions.directory import SessionDirectory


class ContactRoutes:
    """`/v1/sessions/{session_id}/contacts/check` and `/v1/users/{user_id}/contacts/{number}`."""

    def __init__(self, sessions: SessionDirectory, people: PeopleDependencies) -> None:
        self._sessions = sessions
        self._people = people

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        check, one = "/v1/sessions/{session_id}/contacts/check", "/v1/users/{user_id}/contacts/{number}"
        return (
            route(f"POST {check}", Action.CHECK_CONTACTS, self.check, CheckIn, {200: (ChecksOut,)}),
            route(f"GET {one}", Action.EXPORT_CONTACT, self.export, Nothing, {200: (PersonOut,)}),
            route(f"DELETE {one}", Action.ERASE_CONTACT, self.erase, Nothing, {200: (ErasedOut,), 507: ()}),
        )

    async def check(self, call: Call[CheckIn]) -> web.Response:
        """Tell which of these numbers are on WhatsApp; what could not be asked within 20 s is null."""
        session = self._sessions.get(call.session_id)
        numbers = call.arguments.numbers
        chat_ids = await asyncio.to_thread(self._chats_of, numbers)
        found = await self._people.checks.check_all(session.session_id, chat_ids)
        return json_answer(ChecksOut([_check_out(number, each) for number, each in zip(numbers, found, strict=True)]))

    async def export(self, call: Call[Nothing]) -> web.StreamResponse:
        """Show all that is kept of one person for a user: names, sessions, the list's entry and every message."""
        user_key, chat_id = await self._person(call.request)
        await secure_record(call.request)  # a long list is on its way before it ends
        person = await self._people.persons.show(user_key, chat_id)
        whole: Listing[Message] = Listing(
            name="messages", encode=lambda each: json_of(_message_out(each)), head=_head(person), max_bytes=None
        )
        return await answer_list(call.request, self._people.persons.messages(user_key, chat_id), whole)

    async def erase(self, call: Call[Nothing]) -> web.Response:
        """Forget one person: messages, contact, names; one who opted out stays off, by a hash alone."""
        erased = await self._people.persons.erase(*await self._person(call.request))
        return json_answer(ErasedOut(messages=erased.message_count, in_flight=erased.left_count))

    async def _person(self, request: web.Request) -> tuple[UserKey, str]:
        user_key = key_of_user(await user_id_in(request, self._people.users))
        return user_key, await asyncio.to_thread(self._people.suppressions.chat_id, request.match_info["number"])

    def _chats_of(self, numbers: Sequence[str]) -> list[str]:
        return [self._chat_of(index, number) for index, number in enumerate(numbers)]

    def _chat_of(self, index: int, number: str) -> str:
        try:
            return self._people.suppressions.chat_id(number)
        except InvalidRecipientError as error:
            raise InvalidInputError(f"numbers.{index}", str(error).removeprefix("to ")) from error


def _check_out(number: str, checked: CheckedChat) -> NumberOut:
    return NumberOut(
        number=number, chat_id=checked.chat_id, exists=checked.is_on_whatsapp, checked_at=timestamp(checked.checked_at)
    )


def _head(person: Person) -> Mapping[str, Json]:
    check, suppression = person.check, person.suppression
    known_in = [KnownInOut(session_id=session_id, since=iso8601(at)) for session_id, at in person.known_in]
    checked: dict[str, Json] | None = None
    if check is not None:
        is_there = check.chat_id is not None
        shown = CheckedChat(chat_id=check.chat_id, is_on_whatsapp=is_there, checked_at=check.checked_at)
        checked = _check_out(check.digits, shown).model_dump()
    return {
        "names": list(person.names),
        "known_in": [each.model_dump() for each in known_in],
        "check": checked,
        "suppression": None if suppression is None else suppression_out(suppression).model_dump(),
    }


def _message_out(message: Message) -> PersonMessageOut:
    shown = message_out(MessageView(message=message, hold=message.hold))
    return PersonMessageOut(**dict(shown), text=message.body.text if message.body else None)
