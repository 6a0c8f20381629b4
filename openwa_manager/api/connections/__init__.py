"""Decides who may hold a connection to us, for how long, and who makes room for others."""
