"""What Redocly's linter, which others check their API with, says of our description of it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from openwa_manager.api.app import make_table
from openwa_manager.api.openapi import describe
from tests.api.world import World, backing_of

LINTER = "@redocly/cli@2.77.0"
#: OpenWA's own paths, as in `contacts/check/{number}` and `contacts/{contact_id}/phone`, are not ours to choose.
OF_OPENWA = re.compile(r"no-ambiguous-paths: .*: `/api/sessions/\{id\}/\S+` and `/api/sessions/\{id\}/\S+`")


@pytest.mark.slow
@pytest.mark.registry
async def test_the_recommended_rules_find_nothing(world: World, tmp_path: Path) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    assert lint(document, tmp_path) == []


def lint(document: object, place: Path) -> list[str]:
    """Return what the linter finds."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("npx is not installed, which fetches Redocly's linter")
    path = place / "openapi.json"
    path.write_text(json.dumps(document))
    argv = (npx, "--yes", LINTER, "lint", "--extends=recommended", "--format=json", "--max-problems=1000", str(path))
    found = subprocess.run(argv, cwd=place, capture_output=True, timeout=110, check=False)
    problems = json.loads(found.stdout)["problems"]
    said = [f"{each['ruleId']}: {each['message']}" for each in problems]
    return [each for each in said if not OF_OPENWA.search(each)]
