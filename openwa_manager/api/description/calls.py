"""What there is to say of single calls beside what they do, by the name of the route."""

from collections.abc import Mapping
from typing import Final

_STARTED: Final = (
    "Asked twice it is the same. A live engine of ours is taken over; beside one that is not ours it is 409 "
    "`session_owned_elsewhere`, with its pid. At most 3 starts and restarts of a session in 30 s."
)

NOTES: Final[Mapping[str, str]] = {
    "health_live": "For a monitor: without any detail.",
    "health_ready": "For a monitor; 503 while it is not so.",
    "sessions_create": "With the id of a session that agrees in all that is given: 200, and nothing is restarted. One "
    "that differs: 409 `session_exists`. 201 comes once its engine is launched, or waits for a slot; `wait_for` has it "
    "wait longer. A key that is limited to sessions must name the id. `env` and `proxy_url` need the role `admin`.",
    "sessions_list_some": "`status` and `label` may be given several times.",
    "sessions_change": "`{}` for `labels` or `env` empties them. `env`, `proxy_url` and `build` need the role `admin`.",
    "sessions_delete": "204 once all of it is gone. After half a minute 202 with the session, whose reason says what "
    "is in the way, and it goes on. 409 `session_owned_elsewhere` while somebody else's engine runs in it.",
    "sessions_start": _STARTED,
    "sessions_restart": _STARTED,
    "sessions_stop": "Asked twice it is the same.",
    "sessions_log_out": "409 when no engine runs, or its kind has no such call.",
    "qr_request_pairing_code": "409 when none can come, as while it is connected.",
    "links_create": "It needs the setting `public_url` (409 `public_url_missing`). docs/linking.md says more.",
    "events_list_all": "Pages by `after`, or the newest by `tail`. `Accept: text/event-stream` streams instead; a "
    "reader that comes back with `Last-Event-ID` misses nothing.",
    "events_list_of_session": "As `GET /v1/events`.",
    "endpoints_add": "Its address must be public, unless `allow_private_endpoints` is set. Its secret is shown once.",
    "endpoints_change": "What the settings say of `default` is changed there (409).",
    "deliveries_replay": "At least one of the members must be given.",
    "messages_send": "Give it one of `text`, `image_url`, `video_url`, `audio_url` and `document_url`. 202: it is "
    "taken in, and on disk. The same `Idempotency-Key`, or without it `reference`, again: 200, the same message.",
    "messages_settle": "Only of one that is `unknown`.",
    "bulk_send": "Give it `messages`, or `template` and `recipients`. The answer lists what was not taken, and why. "
    "Takes what the quota allows, in order; 429 only if nothing fits.",
    "queue_clear": "409 `count_changed` if it is another number by now.",
    "suppressions_add": "The file has one recipient in each line, and why behind it.",
    "contacts_check": "What is known already is not asked again.",
    "keys_create": "Nobody hands out more than he has, nor for longer, nor to more addresses.",
    "keys_change": "The last key that may do everything stays so (409 `last_admin`).",
    "keys_revoke": "The last key that may do everything stays (409 `last_admin`). Keys that it has made stay too.",
    "audit_verify": "A chain that was made anew as a whole is noticed only by who kept a `head`.",
    "builds_install": "409 when one of this name is there.",
    "builds_remove": "409 while a session runs or pins it.",
    "metrics_show": "docs/reference/metrics.md has all of them.",
    "gateway_create": "Its `id` is its name.",
    "gateway_send_of_guide": "The answer has `status`: `queued` beside what OpenWA answers.",
}
