"""The program: `python -m openwa_manager.simulator`, started like `node <home>/dist/main`."""

import sys

_USAGE = """\
usage: python -m openwa_manager.simulator

Stands in for OpenWA in tests: serves its API on 127.0.0.1:$PORT (2785), keeps its data in ./data, and takes
everything else from the environment (docs/openwa.md, Simulator). Applications test with `openwa-manager mock`."""


def _main() -> int:
    arguments = sys.argv[1:]
    if not arguments:
        from openwa_manager.simulator.process import main

        return main()
    is_help = arguments[0] in ("-h", "--help")
    print(
        _USAGE if is_help else f"openwa_manager.simulator takes no arguments, such as {arguments[0]!r}\n{_USAGE}",
        file=sys.stdout if is_help else sys.stderr,
    )
    return 0 if is_help else 2


if __name__ == "__main__":
    sys.exit(_main())
