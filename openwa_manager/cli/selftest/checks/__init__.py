"""The checks: what is measured, each a function of its name in a module for what it is about.

A function gets an empty directory of its own and yields facts as it finds them. Each is imported by the process that
does it, and by no other: a library that cannot be imported, or hangs at that, costs its own checks only.
"""

from openwa_manager.cli.selftest.facts import SelftestCheck

#: Every check, in the order in which they are done.
CHECKS: tuple[SelftestCheck, ...] = (
    SelftestCheck("system", "host"),
    SelftestCheck("limits", "host"),
    SelftestCheck("open_files", "host"),
    SelftestCheck("clocks", "host"),
    SelftestCheck("memory", "host"),
    SelftestCheck("process_info", "processes"),
    SelftestCheck("start_across_exec", "processes"),
    SelftestCheck("visible_environments", "processes"),
    SelftestCheck("process_scan", "processes"),
    SelftestCheck("exit_order", "exits", deadline_s=15),
    SelftestCheck("our_exits", "exits"),
    SelftestCheck("orphan_exit", "exits"),
    SelftestCheck("lock_through_children", "descriptors"),
    SelftestCheck("handed_on", "descriptors"),
    SelftestCheck("path_spelling", "files"),
    SelftestCheck("commits", "files"),
    SelftestCheck("syncs", "files"),
    SelftestCheck("bind_beside_wildcard", "ports"),
    SelftestCheck("directory_watch", "watches"),
    SelftestCheck("directory_notes", "watches"),
    SelftestCheck("qr_watch", "watches", deadline_s=15),
    SelftestCheck("watchfiles", "watches"),
)
