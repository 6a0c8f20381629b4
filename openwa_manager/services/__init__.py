"""The daemon at work: one owner for every piece of state."""
