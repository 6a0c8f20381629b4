"""The program: `python -m openwa_manager.simulator`, started like `node <home>/dist/main`."""

import sys

from openwa_manager.simulator.process import main

if __name__ == "__main__":
    sys.exit(main())
