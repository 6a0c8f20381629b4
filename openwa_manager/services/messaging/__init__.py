"""Sending messages: when the next one may go."""
