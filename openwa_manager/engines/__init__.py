"""How each kind of engine is launched and spoken to."""
