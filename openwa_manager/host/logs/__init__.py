"""Log files: what engines write, what of it is kept, and our own."""
