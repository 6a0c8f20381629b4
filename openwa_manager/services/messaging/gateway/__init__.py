"""What requests of the gateway send, and what became of it."""
