"""Bringing events to the endpoints and to the readers of the event stream."""
