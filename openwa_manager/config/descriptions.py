"""What each setting is for, by chapters: `config check -o wide` and docs/reference/settings.md show it."""

from collections.abc import Mapping
from typing import Final

_PLACES: Final = {
    "home": "The directory of the registry, the keys, the locks and the sessions; `manager.toml` lies in it, "
    "so it is set by `--home` or the environment only.",
    "sessions_path": "Where the sessions' directories are; unset: `sessions` in the home.",
    "logs_path": "Where the engines' logs are, as `<session_id>.log`; unset: `logs/engine.log` in each session's "
    "directory.",
}
_LISTENING: Final = {
    "listen": "Where the API listens. Another address than loopback needs `tls_cert` and `tls_key`, or `behind_proxy`.",
    "tls_cert": "The certificate that makes `listen` HTTPS, with `tls_key`. SIGHUP (`systemctl reload openwa-manager`) "
    "has a renewed file read; the old one stays in use if the two do not fit together.",
    "tls_key": "The private key of `tls_cert`.",
    "behind_proxy": "Whether a proxy that speaks TLS stands in front, so that `listen` may be open to other machines.",
    "allowed_hosts": 'The public names by which callers reach the API, such as `["wa.example.com"]`. A call for '
    "another host is refused (421).",
    "public_url": "The address under which people outside reach this host, such as `https://wa.example.com`. "
    "Pairing links begin with it, and its name is served like one of `allowed_hosts`.",
    "trusted_proxies": "The networks of proxies that are believed when they say for whom they ask, such as "
    '`["127.0.0.1/32"]`. Other callers are told apart by the address they connect from.',
    "client_address_header": "Where trusted proxies name the client. The last address in it that is no trusted "
    "proxy is the client's.",
    "cors_origins": 'The pages that may call the API from a browser, as `["https://app.example.com"]`; never `*`. '
    "They need a key all the same: let no page hold one that may more than its reader.",
    "intake_listen": "Where the engines post to; loopback only. A running engine posts to where this was at its "
    "launch, so restart the sessions after a change.",
}
_ACCESS: Final = {
    "rate_per_s": "How many calls a second a key may make that has no rate of its own. 0 switches all limits off, "
    "which is meant for tests.",
    "rate_burst": "How many calls such a key may make at once.",
    "audit_required": "Whether changes are refused (507) while the disk is too full for the audit; stop, force-kill, "
    "delete and the revocation of keys are not.",
}
_ENGINES: Final = {
    "engine": "The kind of engine that new sessions get unless they say otherwise.",
    "openwa_home": "The folder of a built OpenWA. A link is followed at every launch, so restarts take the release "
    "that it leads to then.",
    "openwa_repository": "Where `engine install VERSION` finds the tag `v<VERSION>`.",
    "node": "What runs OpenWA: a path, or a name that is looked for in PATH, `/opt/homebrew/bin` and `/usr/local/bin`.",
    "engine_type": "Which of its two libraries OpenWA uses.",
    "engine_env": "Variables that every engine gets. Hosts in `SSRF_ALLOWED_HOSTS` stand beside ours; what each "
    "engine is given by us (`PORT`, its key, its paths) is refused.",
    "command_argv": 'What the engine `command` runs, as `["/usr/local/bin/my-engine"]`; `{session_id}` '
    "`{session_dir}` `{port}` `{webhook_url}` `{webhook_secret}` are filled in.",
    "command_env": "Variables for the engine `command`; the same are filled in.",
    "engine_ports": "The numbers that engines get as `PORT`. Only a `command` listens there, on loopback.",
    "engine_isolation": "`kernel`: an engine reads, writes, starts and reaches no more than it needs; `none`. Unset: "
    "`kernel` where the system can, but not for `command` and `whatsapp-web.js` (docs/security.md).",
    "engine_read_paths": "What isolated engines may read beside what they need.",
    "engine_connect_ports": "The ports that isolated engines may connect to beside what they need, as "
    '`[5222, "8000-8010"]`.',
    "engine_bind_ports": "The ports that isolated engines may listen on beside what they need.",
    "start_concurrency": "How many engines may boot at once; 4 where there are 10 processors or more.",
    "start_spacing_s": "The least time between two starts.",
    "boot_timeout_s": "How long an engine may take until it answers.",
    "stop_grace_s": "How long an engine may take to end by itself before it is killed.",
}
_WATCHING: Final = {
    "probe_period_s": "How often an engine is asked whether it is well, and its processor time is measured.",
    "probe_timeout_s": "How long it may take to answer.",
    "probe_misses": "After so many unanswered probes in a row the engine is ended and started anew.",
    "silence_s": "A connected engine of which nothing is heard for so long (an answer, a post, a line in its log) "
    "counts as `disconnected` until its next sign.",
    "exit_sweep_s": "How often the processes of all engines are looked at, beside what the system announces by itself.",
    "backoff_first_s": "The pause before the first restart of an engine that has crashed; each next one is twice as "
    "long.",
    "backoff_max_s": "The longest of these pauses.",
    "backoff_reset_s": "How long an engine must run well until its crashes are forgotten.",
    "crash_loop_count": "So many crashes within `crash_loop_window_s` make the session `failed`.",
    "crash_loop_window_s": "The time in which `crash_loop_count` counts.",
    "slow_retry_s": "How often a session that failed so is tried again.",
    "memory_soft_bytes": "Above this an engine with all its processes is restarted while its session is idle; unset: "
    "never.",
    "memory_hard_bytes": "Above this it is restarted at once; unset: never.",
    "min_free_memory_bytes": "No engine starts while the host has less memory free.",
    "min_free_disk_bytes": "No engine starts while the disk has less room.",
    "offline_sessions": "So many links lost together within `offline_window_s` mean that the host is offline.",
    "offline_window_s": "The time in which `offline_sessions` counts.",
    "freeze_limit_s": "A daemon that has frozen for so long says where, and ends; 0: never. Unset: 60 under "
    "launchd, else 0, for systemd has a watchdog of its own.",
}
_LINKING: Final = {
    "pairing_window_s": "How long codes are shown; if nobody scans one, the engine is stopped.",
    "qr_first_s": "How long the first code of a window is valid.",
    "qr_next_s": "How long each later code is valid.",
    "link_initializing_s": "How long an engine without a linked number may take to show a code.",
    "link_authenticating_s": "How long it may take to connect after a scan.",
    "link_down_restart_s": "How long a link may stay down before the engine is restarted, once.",
    "replaced_wait_s": "How long to wait before the one try to come back after another program took the connection "
    "over.",
    "heartbeat_s": "How often `session.heartbeat` is told of each connected session.",
}
_EVENTS: Final = {
    "upstream_url": "Where all events go: the endpoint `default`. It may lie on a private address.",
    "upstream_secret": "What signs the events that go there; unset: a random one.",
    "upstream_events": 'Which events go there, as `["session.*", "message.sent"]`; unset: all, or what the endpoint '
    "was changed to.",
    "allow_private_endpoints": "Whether further endpoints may lie on private addresses.",
    "delivery_schedule_s": "The pauses before each try to deliver an event, as many as there are tries.",
}
_MESSAGES: Final = {
    "pacing_profile": "For sessions without one of their own. `guide`: the gap alone; `careful`: first contacts are "
    "30 to 60 s apart, and capped by the day.",
    "message_gap_min_s": "The least pause between two sends of a session.",
    "message_gap_max_s": "The longest; each pause is chosen by chance between the two.",
    "contact_check_gap_s": "The pause between two questions whether a number is on WhatsApp.",
    "send_hold_s": "How long a send through `/api` waits for its turn before it is refused (429 `SEND_QUEUE_FULL`).",
    "send_timeout_s": "How long an engine may take to answer a send.",
    "message_retry_s": "The pauses before a message that was certainly not sent is tried again.",
    "retry_uncertain": "Whether a message is sent again of which nobody knows whether it was sent: some people get "
    "it twice.",
    "message_ttl_s": "How long a message may wait unless it says otherwise; then it is `expired`.",
    "quota_time_zone": "In which the months of quotas and the days of caps are counted, as `Asia/Hong_Kong`.",
    "default_region": "The country of numbers without a country code, as `HK`; unset: all numbers must have one.",
    "opt_out_keywords": "A whole message that is one of these takes its sender off all lists.",
    "batch_progress_s": "The least time between two `batch.progress` of a batch.",
    "message_body_retention_s": "How long the text of a message that could be sent again is kept.",
    "message_retention_s": "How long a message is kept after its end.",
}
_LOGS: Final = {
    "log_level": "The least that the daemon's own log holds.",
    "log_format": "How it is written; unset: `console` on a terminal, else `json`.",
    "logs_max_bytes": "How large the logs of all engines may be together; the oldest rotated parts go first.",
    "engine_log_max_bytes": "How large one engine's log may become before it is rotated.",
    "engine_log_copies": "How many rotated parts of it are kept.",
    "metrics_per_session": "Whether `/metrics` also shows each session's status, memory and processor time.",
}

#: The settings by chapters, in the order in which people read them.
CHAPTERS: Final[Mapping[str, Mapping[str, str]]] = {
    "Places": _PLACES,
    "Listening": _LISTENING,
    "Access": _ACCESS,
    "Engines": _ENGINES,
    "Watching engines and host": _WATCHING,
    "Linking": _LINKING,
    "Events": _EVENTS,
    "Messages": _MESSAGES,
    "Logs and metrics": _LOGS,
}

#: What each setting is for, by its name.
DESCRIPTIONS: Final[Mapping[str, str]] = {name: text for each in CHAPTERS.values() for name, text in each.items()}
