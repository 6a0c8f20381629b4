"""`python -m openwa_manager`, the same as `openwa-manager`."""

import sys

from openwa_manager.cli import main

if __name__ == "__main__":
    sys.exit(main())
