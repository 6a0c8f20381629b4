"""What the fields of sessions, of their linking and of their explanations are."""

from collections.abc import Mapping
from typing import Final

_SESSION_TIMES: Final = {
    "started_at": "When its engine was started last.",
    "connected_at": "Since when it is connected; null: it is not.",
    "last_connected_at": "When it was connected last.",
}
_CHECK: Final = {"name": "What was looked at.", "detail": "What was found."}

#: By model and field.
SESSIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "SessionIn": {
        "session_id": "Its id: a to z, 0 to 9, `_` and `-`, at most 63 characters; absent: a UUID.",
        "user_id": "Whose it is; absent: `x` if the id begins with `user_x_session_`.",
        "engine": "What serves it; absent: as the settings say.",
        "desired": "Whether it is started; absent: `running`.",
        "wait_for": "When to answer: once it is launched (`none`), shows a code (`qr`), or is linked (`connected`).",
        "timeout_s": "How long to wait for that, at most 60; absent: 30.",
        "proxy_url": "The proxy by which its engine reaches WhatsApp: `http://`, `https://` or `socks5://`.",
    },
    "SessionChange": {
        "labels": "The labels from now on.",
        "build": "The build that it pins; null: it runs the default.",
    },
    "SessionOut": {
        **_SESSION_TIMES,
        "session_id": "Its id.",
        "engine": "What serves it.",
        "status": "What it is: docs/reference/reasons.md has what each word means.",
        "desired": "What its owner wants it to be.",
        "pid": "The process of its engine; null: it has none.",
        "port": "The port its engine listens on, if that is a `command`.",
        "socket": "The unix socket its engine listens on.",
        "qr": "The code being shown; null: none is.",
        "restarts": "How often it was restarted by itself.",
        "build": "The build of OpenWA that it runs, or pins while it has no engine.",
        "memory_limit_bytes": "The engine is restarted when it uses more; null: as the settings say.",
        "proxy_url": "The proxy of its engine, with `***` for the password; null: none of its own.",
        "env_names": "The names of its own variables. What they hold is not shown.",
        "usage": "What its engine uses; null: not measured.",
        "phone_number": "The linked number, without `+`; null: none.",
    },
    "SessionPage": {"sessions": "The sessions."},
    "SessionsOut": {"sessions": "The sessions."},
    "ReasonOut": {"at": "Since when it is so."},
    "QrInfo": {
        "seq": "Counts the images of the session.",
        "attempt": "Counts those of this pairing window.",
        "produced_at": "When it was made.",
        "expires_at": "When it can be scanned no more.",
    },
    "QrOut": {"qr_base64": "The image, a PNG.", "mimetype": "What the image is."},
    "RestartsOut": {
        "count": "How many since somebody last asked for a start.",
        "last_reason": "Why the last one was; null: there was none.",
        "next_at": "When the next one is; null: none is due.",
    },
    "UsageOut": {
        "rss_bytes": "The memory of all its processes.",
        "cpu_percent": "100 for each busy processor.",
        "process_count": "How many processes it has.",
    },
    "StopAllIn": {"until_start": "Those that were to run are started again when the daemon starts."},
    "PairingCodeIn": {"phone_number": "The phone that is to be linked, in international form."},
    "PairingCodeOut": {"expires_at": "When it ends; null: the engine did not say."},
    "PairingLinkIn": {
        "ttl_s": "How long the link holds, in seconds.",
        "phone_number": "The only number that may be linked by it; null: any.",
    },
    "PairingLinkOut": {"url": "The link. It is shown this once."},
    "HealthOut": {
        "healthy": "Whether it can send and receive now.",
        "process": "Where its engine's process is.",
        "engine": "Whether its engine answers.",
        "link": "Where its link to WhatsApp is.",
    },
    "HealthCheckOut": {**_CHECK, "is_ok": "Whether it is so.", "evidence": "By what that is known."},
    "TimelineOut": {
        "messages": "Why its messages wait, if any do.",
        "steps": "The newest steps, oldest first.",
        "next_step": "What comes by itself if nothing else happens; null: nothing.",
        "coming": "All that comes by itself, the next first.",
        "next_probe_at": "When its engine is asked next whether it is well; null: none runs.",
    },
    "StepOut": {
        "stimulus": "What happened.",
        "decision": "What was decided.",
        "evidence": "The facts on which that was decided.",
    },
    "NextStepOut": {"decision": "What will be done.", "at": "When; null: as soon as it can."},
    "QueueHoldOut": {
        "waiting": "How many messages wait.",
        "hold": "What holds all of them; null: nothing does.",
        "until": "Until when; null: nobody can tell.",
    },
    "CreateIn": {
        "name": "The session's id.",
        "config": "What the engine is told when it comes up.",
        "proxyUrl": "The proxy by which the engine reaches WhatsApp.",
        "proxyType": "What kind of proxy that is.",
    },
    "PageCodeIn": {"phone_number": "The phone that is to be linked; null: the link knows it."},
    "ListQuery": {
        "status": "Only those in one of these.",
        "user_id": "Only those of this user.",
        "label": "Only those with this label, as `name:value`; all that are given.",
    },
    "DeleteQuery": {
        "keep_data": "Leave its directory.",
        "logout": "Unlink the phone first, if that is possible.",
    },
    "QrQuery": {"format": "`json` or `png`; absent: as the header `Accept` says."},
    "LogQuery": {"tail": "So many of the last lines.", "follow": "Go on with those to come."},
}
