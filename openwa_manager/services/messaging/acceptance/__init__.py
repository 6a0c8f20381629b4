"""How messages are taken in: one by one, or many at once."""
