"""Reads the bodies of requests, however large they are and however they travel."""
