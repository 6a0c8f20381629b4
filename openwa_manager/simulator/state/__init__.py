"""What an OpenWA keeps and does: sessions, messages, webhooks, keys."""
