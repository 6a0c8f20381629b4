"""The program: `python -m openwa_manager.simulator`, started like `node <home>/dist/main`."""

import sys

# asyncio loads OpenSSL if it can; the simulator speaks no TLS and 200 of them share one machine: 4 MB and 20 ms each.
sys.modules["ssl"] = None  # type: ignore[assignment]

from openwa_manager.simulator.process import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
