"""Keys, the audit and pairing links on disk."""
