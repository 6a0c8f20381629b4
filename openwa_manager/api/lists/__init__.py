"""Answers that list something."""
