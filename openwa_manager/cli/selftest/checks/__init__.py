"""The checks: what is measured, each a function of its name in a module for what it is about.

A function gets an empty directory of its own and yields facts as it finds them. Each is imported by the process that
does it, and by no other: a library that cannot be imported, or hangs at that, costs its own checks only.
"""

from openwa_manager.cli.selftest.facts import Check

#: Every check, in the order in which they are done.
CHECKS: tuple[Check, ...] = (
    Check("system", "host"),
    Check("limits", "host"),
    Check("open_files", "host"),
    Check("clocks", "host"),
    Check("memory", "host"),
    Check("process_info", "processes"),
    Check("start_across_exec", "processes"),
    Check("visible_environments", "processes"),
    Check("process_scan", "processes"),
    Check("exit_order", "exits", deadline_s=15),
    Check("our_exits", "exits"),
    Check("orphan_exit", "exits"),
    Check("lock_through_children", "descriptors"),
    Check("handed_on", "descriptors"),
    Check("path_spelling", "files"),
    Check("commits", "files"),
    Check("syncs", "files"),
    Check("bind_beside_wildcard", "ports"),
    Check("directory_watch", "watches"),
    Check("directory_notes", "watches"),
    Check("qr_watch", "watches", deadline_s=15),
    Check("watchfiles", "watches"),
)
