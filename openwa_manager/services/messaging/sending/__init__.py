"""Sends the messages that wait: one queue for each session, which has them leave one at a time and at its pace."""
