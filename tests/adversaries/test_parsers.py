"""No bytes and no words from outside break what reads them: they are read, or refused in so many words."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given, settings

from openwa_manager.api.admission.peers.client_address import ClientAddresses
from openwa_manager.api.bodies.forms import form_of
from openwa_manager.api.bodies.json_members import members_of
from openwa_manager.api.bodies.readings import readings_of
from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.gateway.kept import asking
from openwa_manager.api.gateway.media.skeletons import FormSkeleton, JsonSkeleton
from openwa_manager.api.gateway.sends import bulk_body as gateway_bulk
from openwa_manager.api.gateway.sends import guide
from openwa_manager.api.intake import parse_delivery
from openwa_manager.api.messaging.bulk_body import read_bulk
from openwa_manager.api.messaging.people.suppression_files import read_rows
from openwa_manager.api.pairing.links import number_in
from openwa_manager.api.requests import object_text
from openwa_manager.api.sessions.cursor import SessionPosition
from openwa_manager.domain import foreign_json
from openwa_manager.domain.builds.builds import build_name, checked_git_url, folder_source, git_source
from openwa_manager.domain.errors import OpenwaManagerError
from openwa_manager.domain.messaging.recipients import chat_id_of
from openwa_manager.domain.messaging.templates import template_of
from openwa_manager.domain.messaging.windows import window_of
from openwa_manager.domain.session.png import is_whole_png
from openwa_manager.domain.zones import zone_of
from openwa_manager.engines import versions
from openwa_manager.host.media.file_types import mimetype_of
from openwa_manager.processes.reading.identity import environment_in
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.signing import check_secret, is_signed
from tests.adversaries.parsers import parsers
from tests.adversaries.words import BYTES, TEXTS

#: What stands in a request is answered with these; all else would be a 500.
REFUSALS = (OpenwaManagerError, GatewayError)
FORM = "application/x-www-form-urlencoded"
TRUSTING = ClientAddresses((*map(ip_network, ("127.0.0.0/8", "::1/128")),), "Forwarded")


def skeletons_of(body: bytes) -> None:
    """Look for addresses in a body that passes, which comes in two parts."""
    for skeleton in (JsonSkeleton(), FormSkeleton()):
        skeleton.feed(body[:7])
        skeleton.feed(body[7:])


BY_BYTES: Mapping[str, Callable[[bytes], object]] = {
    "api/bodies/forms.py:form_of": lambda raw: form_of(raw, FORM),
    "api/bodies/json_members.py:members_of": members_of,
    "api/bodies/readings.py:readings_of": lambda raw: readings_of(raw, FORM),
    "api/gateway/kept/asking.py:parsed": asking.parsed,
    "api/gateway/media/skeletons.py:feed": skeletons_of,
    "api/gateway/sends/bulk_body.py:read_bulk": gateway_bulk.read_bulk,
    "api/gateway/sends/guide.py:queued": guide.queued,
    "api/gateway/sends/guide.py:translate": lambda raw: guide.translate("send-text", raw, "application/json"),
    "api/intake.py:parse_delivery": lambda raw: parse_delivery(raw, None),
    "api/messaging/bulk_body.py:read_bulk": read_bulk,
    "api/messaging/people/suppression_files.py:read_rows": lambda raw: list(read_rows(raw)),
    "api/requests.py:object_text": object_text,
    "domain/foreign_json.py:count_values": foreign_json.count_values,
    "domain/foreign_json.py:make_safe": foreign_json.make_safe,
    "domain/foreign_json.py:parse": foreign_json.parse,
    "domain/session/png.py:is_whole_png": is_whole_png,
    "host/media/file_types.py:mimetype_of": lambda raw: mimetype_of(raw, None),
    "processes/reading/identity.py:environment_in": environment_in,
    "webhooks/signing.py:is_signed": lambda raw: is_signed(raw, "secret", raw.decode("latin-1")),
}
BY_TEXT: Mapping[str, Callable[[str], object]] = {
    "api/admission/peers/client_address.py:client_of": lambda text: TRUSTING.client_of("127.0.0.1", [text]),
    "api/sessions/cursor.py:parse": SessionPosition.parse,
    "api/pairing/links.py:number_in": number_in,
    "domain/builds/builds.py:build_name": build_name,
    "domain/builds/builds.py:checked_git_url": checked_git_url,
    "domain/builds/builds.py:folder_source": folder_source,
    "domain/builds/builds.py:git_source": git_source,
    "domain/messaging/recipients.py:chat_id_of": chat_id_of,
    "domain/messaging/templates.py:template_of": lambda text: template_of(text, "text"),
    "domain/messaging/windows.py:window_of": lambda text: window_of(text, "20:00", "UTC"),
    "domain/zones.py:zone_of": zone_of,
    "engines/versions.py:parsed": versions.parsed,
    "webhooks/address.py:check_url": AddressGuard().check_url,
    "webhooks/signing.py:check_secret": check_secret,
}
#: What looks like a parser and is none, or is tried elsewhere.
_KERNEL = "the kernel made it: a record of a fixed size, tried with its own"
_PASSES = "hands it on as it is, or writes it down"
_GUARDED = "is fed what `skeletons.py` keeps: tests/api/gateway/media/test_skeletons.py"
ELSEWHERE: Mapping[str, str] = {
    **{
        f"processes/reading/darwin/parsing.py:parse_{name}": _KERNEL
        for name in (
            "bsdinfo",
            "descriptors",
            "footprint",
            "open_file",
            "process_strings",
            "taskallinfo",
            "working_dir",
        )
    },
    "api/admission/peers/connection.py:uid_of_xucred": _KERNEL,
    "processes/reading/procfs.py:parse_stat": _KERNEL,
    "api/connections/connection.py:data_received": "tests/api/raw sends what is no HTTP",
    "api/bodies/json_members.py:string_end": "is asked of places that `members_of` has found",
    "api/bodies/uploads.py:feed": _PASSES,
    "api/gateway/kept/webhook_posts.py:as_user_knows": _PASSES,
    "api/gateway/media/guard.py:feed": _GUARDED,
    "api/gateway/relay.py:translate": _PASSES,
    "api/gateway/relay.py:with_body": _PASSES,
    "api/gateway/sends/bulk_body.py:decoded": "is a part of `read_bulk`",
    "api/gateway/sends/bulk_body.py:keep": "is a part of `read_bulk`",
    "api/gateway/sends/bulk_body.py:name_of": "is a part of `read_bulk`",
    "api/gateway/sends/sending.py:feed": _PASSES,
    "api/gateway/sends/sending.py:update": _PASSES,
    "api/sessions/sessions.py:pinning": "looks a name up in a list: tests/api/builds/test_rights.py",
    "services/builds/moving.py:require_openwa": "compares the engine's name",
    "api/sessions/sessions.py:check_env": "looks names up in a list: tests/api/sessions/test_sessions.py",
    "domain/access/audit.py:hash_of": "is given what the database has, which is ours",
    "engines/mapping.py:qr_observation": _PASSES,
    "engines/openwa.py:note_code": _PASSES,
    "host/media/owned_files.py:write": _PASSES,
    "services/access/audit_trail.py:verify": "compares a hash that was told with those of the chain",
    "services/messaging/media.py:write": _PASSES,
    "services/messaging/people/suppressions.py:chat_id": "asks `chat_id_of`",
    "services/sessions/executor.py:show": _PASSES,
    "services/starting/session_files.py:write_qr": _PASSES,
    "api/lists/pages.py:add": _PASSES,
    "engines/http/socket_gets.py:feed": "tests/engines/test_socket_gets.py sends broken answers",
    "webhooks/answers.py:data_received": "tests/webhooks/test_answers.py sends broken answers",
}


def test_every_parser_is_tried() -> None:
    found = set(parsers())

    assert found - ELSEWHERE.keys() - BY_BYTES.keys() - BY_TEXT.keys() == set()
    assert ELSEWHERE.keys() - found == set()


@pytest.mark.parametrize("parser", BY_BYTES.values(), ids=BY_BYTES)
@settings(max_examples=50)
@given(raw=BYTES)
def test_no_bytes_break_a_parser(parser: Callable[[bytes], object], raw: bytes) -> None:
    with suppress(*REFUSALS):
        parser(raw)


@pytest.mark.parametrize("parser", BY_TEXT.values(), ids=BY_TEXT)
@settings(max_examples=100)
@given(text=TEXTS)
def test_no_words_break_a_parser(parser: Callable[[str], object], text: str) -> None:
    with suppress(*REFUSALS):
        parser(text)
