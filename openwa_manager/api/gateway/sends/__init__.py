"""Sends of callers: what they ask for, and their way through the session's queue to its OpenWA and back."""
