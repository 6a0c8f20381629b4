"""Whom a message is for, as pure rules."""
