"""Files that wait to be sent."""
