"""`demo`: shows the daemon at work on simulated engines."""
