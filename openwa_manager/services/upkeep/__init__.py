"""Keeping the daemon's files small, and telling the service manager how the daemon is."""
