"""A session's life as pure tables: what happens to it, what follows, what is done and told."""
