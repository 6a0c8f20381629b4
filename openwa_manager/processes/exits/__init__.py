"""How the end of a process is noticed: pidfd on Linux, kqueue on macOS, polling elsewhere."""
