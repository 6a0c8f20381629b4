"""The people who are written to: their names, whom a session knows, and who wants no more messages."""
