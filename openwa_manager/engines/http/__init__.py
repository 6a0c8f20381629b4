"""Speaks HTTP to the engines: our own calls, and those of callers that are handed on."""
