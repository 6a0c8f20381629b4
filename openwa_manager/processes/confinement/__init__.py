"""Starts programs that the kernel lets do only what they need: Landlock and seccomp on Linux, sandbox-exec on macOS."""
