"""Chooses how changes in directories are learnt of on this system."""

import sys
from pathlib import Path

from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.watcher.directory_watch import WatchSource


def system_source(root: Path, files: EngineFiles) -> WatchSource:
    """Return the best way of this system to learn of changes below `root`."""
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        from openwa_manager.host.kernel.queue import open_kernel_queue
        from openwa_manager.watcher.vnode_watch import VnodeWatch

        return VnodeWatch(root, files, open_kernel_queue)
    else:  # noqa: RET505 mypy understands only this form
        from openwa_manager.watcher.watchfiles_watch import WatchfilesWatch

        return WatchfilesWatch(root)
