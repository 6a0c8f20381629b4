"""The command that prints the description of the HTTP API."""

from openwa_manager.cli.command import Command, Invocation


def _openapi(invocation: Invocation) -> None:
    import json

    document = invocation.client.get("/openapi.json")
    invocation.output.show(document, lambda: json.dumps(document, indent=2))


COMMANDS = (Command("openapi", "print the description of the HTTP API", _openapi),)
