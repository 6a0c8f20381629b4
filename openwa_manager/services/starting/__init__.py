"""How engines get started: the start gate, what a start needs, and taking sessions up after a restart."""
