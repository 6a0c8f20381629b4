"""Who may call at all."""
