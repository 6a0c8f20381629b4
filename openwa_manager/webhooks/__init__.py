"""Signed HTTP posts to the endpoints upstream."""
