"""The calls about messages."""
