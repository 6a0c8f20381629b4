"""`openapi`, against an API on a real socket."""

from tests.cli.conftest import Run
from tests.fakes.api import Answer, Api


def test_openapi_is_printed(pipe: Run, terminal: Run, api: Api) -> None:
    api.on("GET /openapi.json", Answer(body={"openapi": "3.1.0"}))

    assert pipe("openapi").document == {"openapi": "3.1.0"}
    assert terminal("openapi").out == '{\n  "openapi": "3.1.0"\n}\n'
