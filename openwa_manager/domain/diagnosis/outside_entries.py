"""The lines of the table that are about endpoints and about the host."""

from collections.abc import Mapping
from typing import Final

from openwa_manager.domain.diagnosis.entries import FindingEntry, Symptom

_S = Symptom
_RESUME_ENDPOINT = "openwa-manager endpoints resume {endpoint_id}"
_TEST = "openwa-manager endpoints test {endpoint_id}"

#: What is true of an endpoint.
ENDPOINT: Final[Mapping[str, FindingEntry]] = {
    "upstream_missing": FindingEntry(
        _S.NO_EVENTS, "warn", "no endpoint: nobody is told of events", "set upstream_url (WEBHOOK_URL)"
    ),
    "endpoint_paused": FindingEntry(_S.NO_EVENTS, "warn", "a person paused it; {count} events wait", _RESUME_ENDPOINT),
    "endpoint_disabled": FindingEntry(
        _S.NO_EVENTS, "fail", "it answered 410 Gone, so nothing is sent any more; {count} wait", _RESUME_ENDPOINT
    ),
    "endpoint_down": FindingEntry(_S.NO_EVENTS, "fail", "it does not answer; {count} events wait: {detail}", _TEST),
    "endpoint_ok": FindingEntry(_S.NONE, "ok", "took a signed test event ({detail})", None),
    "secret_missing": FindingEntry(
        _S.NO_EVENTS,
        "warn",
        "no secret is set: a random one signs, which the backend cannot check",
        "set upstream_secret (WEBHOOK_SECRET) here and the same in the backend: openssl rand -hex 32",
    ),
    "secret_short": FindingEntry(
        _S.NO_EVENTS,
        "warn",
        "its secret has {count} characters, fewer than 16: it can be guessed",
        "make one of 32 or more, here and in the backend: openssl rand -hex 32",
    ),
    "webhook_unauthorized": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers 401: the signature does not fit, so the secrets differ",
        "make OPENWA_WEBHOOK_SECRET in the backend equal to WEBHOOK_SECRET here; check over the raw body",
    ),
    "webhook_forbidden": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers 403: the secrets differ, or a firewall (Cloudflare, mod_security) keeps us out",
        "compare the secrets; then let POSTs to that path pass the firewall",
    ),
    "webhook_not_found": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers 404: there is no such route",
        "correct the path in upstream_url; routes/api.php adds /api (php artisan route:list shows it)",
    ),
    "webhook_method": FindingEntry(
        _S.NO_EVENTS, "fail", "it answers 405: the route takes no POST", "make it Route::post, and mind a redirect"
    ),
    "webhook_redirected": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers {status}: it leads elsewhere, and redirects are not followed",
        "write the final URL into upstream_url (https://, with or without www)",
    ),
    "webhook_csrf": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers 419: Laravel's CSRF check refuses it",
        "exclude the route from VerifyCsrfToken ($except, or validateCsrfTokens(except: […])), or use routes/api.php",
    ),
    "webhook_throttled": FindingEntry(
        _S.NO_EVENTS,
        "warn",
        "it answers 429: the backend throttles us (Laravel's api group takes 60 a minute)",
        "->withoutMiddleware('throttle:api') on the webhook's route",
    ),
    "webhook_refused_body": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers {status}: it refuses the body",
        "accept events of unknown types with 200: validate only what is used",
    ),
    "webhook_gone": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers 410 Gone: a real event would disable it",
        "bring the route back, then " + _TEST,
    ),
    "webhook_failing": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers {status}: its handler fails",
        "see the backend's log (storage/logs/laravel.log); answer 200 first, work in a queue",
    ),
    "webhook_proxy": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it answers {status}: a proxy before it does not reach the backend",
        "see that the backend runs behind its proxy (PHP-FPM, nginx, Cloudflare)",
    ),
    "webhook_private": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "its address is private: {detail}",
        "use a public URL, or allow_private_endpoints = true if it is in your own network",
    ),
    "webhook_unreachable": FindingEntry(
        _S.NO_EVENTS,
        "fail",
        "it cannot be reached: {detail}",
        "see that the backend is up, its name resolves here, its certificate is valid, no firewall is between",
    ),
    "webhook_slow": FindingEntry(
        _S.NO_EVENTS, "fail", "it does not answer within 15 s", "answer 200 at once and work in a queue"
    ),
    "webhook_odd": FindingEntry(_S.NO_EVENTS, "fail", "it answers {status}", "see the backend's log for that request"),
}

#: What is true of the host, as far as its words are made here; {detail} is what was measured.
HOST_ENTRIES: Final[Mapping[str, FindingEntry]] = {
    "room": FindingEntry(_S.NONE, "ok", "{detail}", None),
    "room_short": FindingEntry(
        _S.HOST, "warn", "{detail}", "add memory or disk, or move sessions to another host before you add more"
    ),
    "descriptors": FindingEntry(_S.NONE, "ok", "{detail}", None),
    "descriptors_short": FindingEntry(
        _S.HOST,
        "warn",
        "{detail}",
        "LimitNOFILE= in the unit, ulimit -Hn in the shell; on a Mac launchctl limit maxfiles",
    ),
    "reach": FindingEntry(_S.NONE, "ok", "{detail}", None),
    "reach_local": FindingEntry(
        _S.NO_EVENTS,
        "warn",
        "a backend elsewhere cannot call it: {detail}",
        'put a tunnel or proxy before it, then public_url = "https://its.name" and trusted_proxies (`help remote`)',
    ),
    "reach_callers": FindingEntry(
        _S.HOST,
        "warn",
        "all who call through the tunnel or proxy seem to be one: {detail}",
        'if that runs on this host: trusted_proxies = ["127.0.0.1/32", "::1/128"]',
    ),
    "pm2_treekill": FindingEntry(
        _S.HOST,
        "fail",
        "PM2 runs the daemon and ends its whole tree: `pm2 restart` kills every engine ({detail})",
        "set treekill: false in ecosystem.config.js, then pm2 delete and pm2 start it anew",
    ),
    "pm2": FindingEntry(_S.NONE, "ok", "PM2 runs the daemon with treekill off", None),
    "two_managers": FindingEntry(
        _S.HOST,
        "fail",
        "two of them start the daemon: {detail}",
        "keep one: systemctl disable --now, launchctl bootout, or pm2 delete and pm2 save the other",
    ),
    "env_unread": FindingEntry(
        _S.HOST,
        "warn",
        "names in {detail} that nobody reads",
        "put what is meant for every engine into engine_env, what is meant for us into manager.toml",
    ),
    "node_addon": FindingEntry(
        _S.HOST,
        "fail",
        "OpenWA's native modules were built for another Node.js: {detail}",
        "in the build's folder, with the same node: npm rebuild",
    ),
    "node_addon_well": FindingEntry(_S.NONE, "ok", "{detail}", None),
    "sleep_on": FindingEntry(
        _S.HOST,
        "warn",
        "this host may sleep by itself: {detail}",
        "sudo systemctl mask sleep.target suspend.target hibernate.target",
    ),
    "sleep_off": FindingEntry(_S.NONE, "ok", "{detail}", None),
    "not_looked_at": FindingEntry(
        _S.HOST, "warn", "{detail} were not looked at in time", "ask for one: openwa-manager doctor SESSION"
    ),
}
