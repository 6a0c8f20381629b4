"""How the end of a process is noticed: pidfd on Linux, kqueue on macOS, polling elsewhere."""

#: How often all watched processes are checked, also where the system announces exits, in seconds.
SWEEP_S = 30.0
