"""`doctor`: looks for what stands in the daemon's way."""
