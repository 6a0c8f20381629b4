"""How engines get started: the start gate, what a start needs, taking sessions up after a restart."""
