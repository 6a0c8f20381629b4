"""Measures what this very system does where our code relies on it, and prints it as lines of JSON."""
