"""Keeps callers from having an engine fetch media from this host or its network."""
