"""Examples of every command, as help shows them below its options."""

from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[str]] = {
    "serve": ("openwa-manager serve", "openwa-manager serve --engine simulator --listen 127.0.0.1:2790"),
    "config": ("openwa-manager config check", "openwa-manager config check --all"),
    "demo": ("openwa-manager demo", "openwa-manager demo --once"),
    "mock": (
        "openwa-manager mock --webhook-url http://127.0.0.1:8000/api/webhooks/openwa",
        "openwa-manager mock --port 0 -- php artisan test",
        "curl http://127.0.0.1:2785/_mock/messages    # what WhatsApp got",
    ),
    "create": (
        "openwa-manager create user_1_session_a",
        "openwa-manager create user_1_session_a --wait-for connected --label shop=hk",
        "openwa-manager create user_1_session_a --stopped --memory-limit 800M",
    ),
    "list": (
        "openwa-manager list",
        "openwa-manager list --status failed --status banned -o ids",
        "watch -n 5 openwa-manager list -o table",
    ),
    "show": ("openwa-manager show user_1_session_a", "openwa-manager show 'user_1_*' -o json"),
    "start": ("openwa-manager start user_1_session_a", "openwa-manager start --status failed"),
    "stop": (
        "openwa-manager stop user_1_session_a",
        "openwa-manager stop 'user_1_*'",
        "openwa-manager stop --all --yes",
    ),
    "restart": (
        "openwa-manager restart user_1_session_a",
        "openwa-manager restart 'user_1_*' --rolling",
        "openwa-manager restart --label shop=hk --status connected",
    ),
    "logout": ("openwa-manager logout user_1_session_a",),
    "delete": ("openwa-manager delete user_1_session_a", "openwa-manager delete --status banned --yes"),
    "qr": ("openwa-manager qr user_1_session_a -f", "openwa-manager qr user_1_session_a --output code.png"),
    "pairing-code": ("openwa-manager pairing-code user_1_session_a +85212345678",),
    "pairing-link": ("openwa-manager pairing-link user_1_session_a --phone +85212345678",),
    "logs": ("openwa-manager logs user_1_session_a --tail 50", "openwa-manager logs 'user_1_*' -f"),
    "why": ("openwa-manager why user_1_session_a", "openwa-manager why --status failed"),
    "events": ("openwa-manager events --type session.connected", "openwa-manager events user_1_session_a -f"),
    "openapi": ("openwa-manager openapi > openapi.json",),
    "top": ("openwa-manager top", "openwa-manager top --once --sort memory"),
    "send": ('openwa-manager send user_1_session_a +85212345678 "Hello" --wait',),
    "messages": (
        "openwa-manager messages user_1_session_a --status failed",
        "openwa-manager messages show msg_01J0000000000000000000000",
    ),
    "batch": (
        'openwa-manager batch create user_1_session_a people.csv --template "Hello {{name}}" --dry-run',
        "openwa-manager batch list user_1_session_a",
    ),
    "queue": ("openwa-manager queue", "openwa-manager queue user_1_session_a --pause"),
    "quota": ("openwa-manager quota 1", "openwa-manager quota 1 --limit 1000"),
    "suppress": ("openwa-manager suppress 1", "openwa-manager suppress 1 add +85212345678 --reason complained"),
    "keys": (
        "openwa-manager keys",
        "openwa-manager keys create campaign --role sender --session 'user_1_*' --env",
    ),
    "endpoints": (
        "openwa-manager endpoints",
        "openwa-manager endpoints add https://app.example.com/hook --event 'session.*'",
        "openwa-manager endpoints test default",
    ),
    "deliveries": ("openwa-manager deliveries --dead", "openwa-manager deliveries replay --dead --dry-run"),
    "audit": ("openwa-manager audit --session user_1_session_a", "openwa-manager audit verify"),
    "engine": (
        "openwa-manager engine install 0.23.1",
        "openwa-manager engine use 0.23.1 --canary 1",
        "openwa-manager engine rollback",
    ),
    "doctor": ("openwa-manager doctor", "openwa-manager doctor user_1_session_a"),
    "diagnose": ("openwa-manager diagnose user_1_session_a",),
    "service": ("openwa-manager service status",),
    "help": ("openwa-manager help restart", "openwa-manager help install"),
    "completion": (
        "source <(openwa-manager completion bash)    # in ~/.bashrc",
        "source <(openwa-manager completion zsh)     # in ~/.zshrc, after compinit",
        "openwa-manager completion fish > ~/.config/fish/completions/openwa-manager.fish",
    ),
}


def examples_of(words: Sequence[str]) -> Sequence[str]:
    """Return the examples of a command; of one below it, those that name it."""
    if not words:
        return ()
    examples = EXAMPLES.get(words[0], ())
    return [each for each in examples if len(words) == 1 or f" {words[1]} " in f"{each} "]
