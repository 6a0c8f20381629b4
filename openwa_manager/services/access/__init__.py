"""Who may do what, and who did: keys, limits, the audit, pairing links."""
