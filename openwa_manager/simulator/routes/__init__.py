"""The simulator's routes, one module per noun, and its control routes."""
