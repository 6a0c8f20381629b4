"""Starts programs, confined where that is asked for, and runs those that are no engines to their end."""
