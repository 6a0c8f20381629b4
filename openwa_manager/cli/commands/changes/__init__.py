"""The commands that start, stop, restart, unlink and remove sessions: one, several, or one after the other."""
