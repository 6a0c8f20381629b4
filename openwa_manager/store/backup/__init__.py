"""Copies of the whole database: made before a change, put back after damage, and how numbers go on after that."""
