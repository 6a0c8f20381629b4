"""All commands, by what they are for."""

from collections.abc import Iterable, Mapping, Sequence

from openwa_manager.cli.command import Command

GROUPS: Mapping[str, Sequence[str]] = {
    "Sessions": ("create", "list", "show", "top", "start", "stop", "restart", "logout", "delete"),
    "Linking a phone": ("qr", "pairing-code", "pairing-link"),
    "What happened": ("why", "logs", "events", "audit"),
    "Messages": ("send", "messages", "batch", "queue", "quota", "suppress"),
    "Who is told, who may ask": ("endpoints", "deliveries", "keys"),
    "The daemon and its host": ("serve", "service", "config", "engine", "doctor", "diagnose", "openapi"),
    "Trying and testing": ("demo", "mock"),
    "Help": ("help", "completion"),
}
_HEAD = "usage: openwa-manager COMMAND …   (help COMMAND tells more, with examples)"
_EVERYWHERE = """\
With every command:
    -o FORM         table, wide, json or ids (OPENWA_MANAGER_OUTPUT)
    --home DIR      the daemon of this home (OPENWA_MANAGER_HOME)
    --url URL       the daemon there (OPENWA_BASE_URL), key in OPENWA_API_KEY"""


def overview(commands: Iterable[Command]) -> str:
    """Return all commands in their groups; one that is in none comes last."""
    by_name = {command.name: command for command in commands}
    grouped = {name for names in GROUPS.values() for name in names}
    others = [name for name in by_name if name not in grouped]
    groups = {title: [name for name in names if name in by_name] for title, names in GROUPS.items()}
    parts = [_group(title, [by_name[name] for name in names]) for title, names in (*groups.items(), ("Others", others))]
    return "\n".join([_HEAD, "", *filter(None, parts), _EVERYWHERE])


def _group(title: str, commands: Sequence[Command]) -> str:
    if not commands:
        return ""
    lines = [f"    {command.name.ljust(14)}  {command.help}" for command in commands]
    return "\n".join([f"{title}:", *lines, ""])
