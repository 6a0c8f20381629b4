"""Pairing links: they are made with a key, and used without one, on a page for people with a phone."""
