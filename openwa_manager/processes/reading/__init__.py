"""What the system says of processes: who they are, whose they are, what they descend from."""
