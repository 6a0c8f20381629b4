"""The simulator's HTTP server: bytes, routes, bodies, limits."""
