"""The routes about sessions, one module per noun."""
