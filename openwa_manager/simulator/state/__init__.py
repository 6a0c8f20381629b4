"""What the simulator keeps: sessions, messages, webhooks, keys."""
