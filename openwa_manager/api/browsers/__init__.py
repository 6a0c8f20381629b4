"""Tells browsers what they may do with our answers: a key in a page must never serve another page."""
