"""One supervisor for each session, and the ways to read, ask, tell and run them."""
