"""Those who pace messages."""
