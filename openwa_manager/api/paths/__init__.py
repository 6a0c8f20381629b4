"""Finds the route of a path."""
