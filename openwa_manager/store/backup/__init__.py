"""Copies of the whole database: made before a change, put back after damage, looked at without being touched."""
