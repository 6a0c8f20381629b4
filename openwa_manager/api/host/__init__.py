"""The routes about the daemon and its host, one module per noun."""
