"""The lines of the table that are about a session: its code, its account, its messages."""

from collections.abc import Mapping
from typing import Final

from openwa_manager.domain.diagnosis.entries import FindingEntry, Symptom

_S = Symptom
_LOGS = "openwa-manager logs {subject} --tail 100"
_WHY = "openwa-manager why {subject}"
_RESTART = "openwa-manager restart {subject}"
_START = "openwa-manager start {subject}"
_RESUME = "openwa-manager queue {subject} --resume"

#: What is true of a session, by what it is called.
SESSION: Final[Mapping[str, FindingEntry]] = {
    # No code, or `creating` for ever.
    "start_waits": FindingEntry(
        _S.CREATING, "warn", "its start waits for others: {detail}", "wait, or raise start_concurrency"
    ),
    "host_short": FindingEntry(
        _S.CREATING,
        "fail",
        "its start waits until the host has more free: {detail}",
        "end something on this host, or lower min_free_memory_bytes or min_free_disk_bytes",
    ),
    "launch_failed": FindingEntry(
        _S.NO_CODE,
        "fail",
        "the engine's program cannot be started: {detail}",
        "openwa-manager doctor, and mend what it says",
    ),
    "owned_elsewhere": FindingEntry(_S.NO_CODE, "fail", "{detail}", "end that other process or daemon, then " + _START),
    "engine_data_lost": FindingEntry(_S.NO_CODE, "fail", "{detail}", "put its files back from a copy, then " + _START),
    "engine_booting": FindingEntry(
        _S.CREATING, "warn", "the engine has been coming up for {for_s:.0f} s: {detail}", _LOGS + " says what it does"
    ),
    "engine_crashes": FindingEntry(
        _S.NO_CODE, "fail", "the engine does not stay up: {detail}", _LOGS + " says why; mend that, then " + _START
    ),
    "engine_silent": FindingEntry(_S.NO_CODE, "fail", "the engine does not answer: {detail}", _RESTART),
    "no_code_yet": FindingEntry(
        _S.CREATING,
        "warn",
        "the engine is up, but has shown no code and no connection for {for_s:.0f} s",
        _LOGS + "; can this host reach web.whatsapp.com? It is restarted by itself if nothing comes",
    ),
    "no_code_came": FindingEntry(
        _S.NO_CODE,
        "fail",
        "the engine ran, but brought no code: {detail}",
        "see that this host reaches web.whatsapp.com, then " + _RESTART,
    ),
    "code_expired": FindingEntry(
        _S.NO_CODE, "warn", "codes were shown and none was scanned ({detail})", _START + " opens a new window"
    ),
    "code_shown": FindingEntry(_S.NONE, "ok", "a code is shown and waits for its scan", "openwa-manager qr {subject}"),
    "scan_not_connected": FindingEntry(
        _S.CREATING, "fail", "a code was scanned, but no connection came: {detail}", _RESTART + ", then scan again"
    ),
    "stopped": FindingEntry(_S.NO_CODE, "warn", "it is stopped: {detail}", _START),
    "session_failed": FindingEntry(_S.NO_CODE, "fail", "it gave up for now: {detail}", _WHY + ", then " + _START),
    # The account.
    "banned": FindingEntry(
        _S.BANNED,
        "fail",
        "WhatsApp banned the number",
        "link another number; the owner can ask WhatsApp for a review in the app; send less to people who never wrote",
    ),
    "logged_out": FindingEntry(
        _S.BANNED, "fail", "the number is not linked any more: {detail}", _START + ", then scan its new code"
    ),
    "wrong_number": FindingEntry(
        _S.BANNED, "fail", "{detail}", _START + ", then scan with the phone of the wanted number"
    ),
    "restricted": FindingEntry(
        _S.BANNED,
        "fail",
        "WhatsApp restricts the account: {detail}",
        "wait until that ends; write to fewer people who never wrote: openwa-manager queue {subject} --profile careful",
    ),
    "action_required": FindingEntry(
        _S.BANNED, "fail", "WhatsApp wants something done: {detail}", "open WhatsApp on the phone"
    ),
    "replaced": FindingEntry(
        _S.BANNED,
        "warn",
        "another program took the connection over: {detail}",
        "end the other WhatsApp Web or OpenWA of this number; it is tried again once, after 5 minutes",
    ),
    # Not sending.
    "link_down": FindingEntry(
        _S.NOT_SENDING,
        "warn",
        "the link to WhatsApp is down: {detail}",
        "see that the phone is on and this host has internet; messages wait and leave once it is back",
    ),
    "host_offline": FindingEntry(
        _S.NOT_SENDING, "fail", "this host has no network: {detail}", "mend its network; messages wait meanwhile"
    ),
    "held_not_connected": FindingEntry(
        _S.NOT_SENDING, "warn", "{count} wait: {detail}", "messages leave only while the session is connected"
    ),
    "held_paused": FindingEntry(_S.NOT_SENDING, "warn", "{count} wait: a person paused the queue", _RESUME),
    "held_batch_paused": FindingEntry(
        _S.NOT_SENDING, "warn", "{count} wait: their batch is paused", "openwa-manager batch resume BATCH_ID"
    ),
    "held_restored": FindingEntry(
        _S.NOT_SENDING,
        "fail",
        "{count} wait: the database is an older copy, so some may have been sent already",
        "look at them (openwa-manager messages {subject}), then " + _RESUME,
    ),
    "held_number_changed": FindingEntry(
        _S.NOT_SENDING, "fail", "{count} wait: another number is linked than before", "if that is meant, " + _RESUME
    ),
    "held_opt_out_flood": FindingEntry(
        _S.NOT_SENDING,
        "fail",
        "{count} wait: more opt-outs came than one a second",
        "see who wrote them (openwa-manager suppress USER_ID), then " + _RESUME,
    ),
    "held_restricted": FindingEntry(
        _S.NOT_SENDING,
        "fail",
        "{count} wait: WhatsApp restricts the account: {detail}",
        "wait until that ends; write to fewer people who never wrote: openwa-manager queue {subject} --profile careful",
    ),
    "held_awaiting_acks": FindingEntry(
        _S.NOT_SENDING,
        "fail",
        "{count} wait: WhatsApp acknowledged none of the last messages",
        "see in the phone's chats whether they arrived, then " + _RESTART,
    ),
    "held_rate_limited": FindingEntry(
        _S.FAILURES,
        "warn",
        "{count} wait: the engine or WhatsApp says there are too many: {detail}",
        "raise message_gap_min_s and message_gap_max_s to 2 s or more; they go on by themselves",
    ),
    "held_breaker": FindingEntry(
        _S.FAILURES, "warn", "{count} wait: too many failed in a row", "mend what failed; they go on by themselves"
    ),
    "held_cap": FindingEntry(
        _S.NOT_SENDING,
        "warn",
        "{count} wait: enough people who never wrote were written to today",
        "wait until tomorrow, or openwa-manager queue {subject} --profile guide",
    ),
    "held_storage_full": FindingEntry(
        _S.NOT_SENDING, "fail", "{count} wait: the disk is full", "make room on the disk"
    ),
    "held_clock": FindingEntry(_S.NOT_SENDING, "warn", "{count} wait: the clock was set", "they go on within a minute"),
    "held_for_time": FindingEntry(_S.NOT_SENDING, "ok", "{count} wait for their time ({detail})", None),
    "waiting": FindingEntry(_S.NONE, "ok", "{count} wait for their turn", None),
    "refused_recipient": FindingEntry(
        _S.NOT_SENDING,
        "warn",
        "{count} refused since {since} (422 invalid_recipient): a number is written wrong",
        "write numbers as +85212345678, or set default_region",
    ),
    "refused_opted_out": FindingEntry(
        _S.NOT_SENDING,
        "warn",
        "{count} refused since {since} (422 opted_out): the recipient wants no messages",
        "openwa-manager suppress USER_ID lists who; remove one only if that person asks for it",
    ),
    "refused_quota": FindingEntry(
        _S.NOT_SENDING,
        "warn",
        "{count} refused since {since} (429 quota_exceeded): the user's month is used up",
        "openwa-manager quota USER_ID --limit N",
    ),
    "refused_cap": FindingEntry(
        _S.NOT_SENDING,
        "warn",
        "{count} refused since {since} (429 first_contact_cap): enough new people for today",
        "wait until tomorrow, or openwa-manager queue {subject} --profile guide",
    ),
    "refused_queue_full": FindingEntry(
        _S.NOT_SENDING,
        "warn",
        "{count} refused since {since} (429 queue_full): too many wait",
        "wait until some have left",
    ),
    # What ended badly in the last hour.
    "not_on_whatsapp": FindingEntry(
        _S.FAILURES,
        "warn",
        "{count} bounced: the number is not on WhatsApp",
        "check numbers before (POST /v1/sessions/{subject}/contacts/check), and their country code",
    ),
    "blocked": FindingEntry(
        _S.FAILURES, "warn", "{count} bounced: the recipient has blocked this number", "write only to who expects it"
    ),
    "messages_expired": FindingEntry(
        _S.NOT_SENDING, "warn", "{count} expired before they could be sent", "mend why they waited; see message_ttl_s"
    ),
    "messages_unknown": FindingEntry(
        _S.FAILURES,
        "warn",
        "of {count} nobody knows whether they were sent: {detail}",
        "look into the phone's chats, then openwa-manager messages settle MESSAGE_ID --as sent|failed",
    ),
    "messages_failed": FindingEntry(
        _S.FAILURES, "warn", "{count} failed ({detail})", "openwa-manager messages {subject} --status failed"
    ),
    "high_failure_rate": FindingEntry(
        _S.FAILURES,
        "fail",
        "{percent:.0f} % of the last hour's messages did not get through; most often: {detail}",
        "stop (openwa-manager queue {subject} --pause), mend that, then raise message_gap_min_s to 2 s and resume",
    ),
    "media_unresolved": FindingEntry(
        _S.MEDIA,
        "fail",
        "{count} failed: the name of the media URL's server is not known",
        "correct the host in the URL; `dig HOST` on this host must find it",
    ),
    "media_private": FindingEntry(
        _S.MEDIA,
        "fail",
        "{count} failed: the media URL leads to a private address, which nobody outside can fetch",
        "use a public URL (a signed temporary one, or S3); APP_URL=http://localhost is the usual cause",
    ),
    "media_refused": FindingEntry(
        _S.MEDIA,
        "fail",
        "{count} failed: the media's server refuses it: {detail}",
        "make the file public or sign its URL for longer; `curl -I URL` must answer 200",
    ),
    "media_unreachable": FindingEntry(
        _S.MEDIA,
        "fail",
        "{count} failed: the media cannot be fetched: {detail}",
        "`curl -I URL` on this host must answer 200",
    ),
    "media_unfit": FindingEntry(
        _S.MEDIA,
        "fail",
        "{count} failed: {detail}",
        "send a file of 16 MiB at most, of the type that the message names",
    ),
    "well": FindingEntry(_S.NONE, "ok", "{detail}", None),
}
