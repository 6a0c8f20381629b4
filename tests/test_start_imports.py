"""What a daemon loads only once it is needed stays out of its start, and out of its memory."""

import subprocess
import sys

#: Each is loaded with the first code that is awaited, scrape, page, number or picture.
LATER = ("watchfiles", "anyio", "multiprocessing", "prometheus_client", "markdown_it", "phonenumbers", "png")


def test_a_daemon_starts_without_what_it_may_never_need() -> None:
    code = f"""
import sys
import openwa_manager.daemon, openwa_manager.watcher.watchfiles_watch
print([name for name in {LATER!r} if name in sys.modules])
"""
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "[]\n"
