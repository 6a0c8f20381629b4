"""openwa-manager runs one OpenWA process per WhatsApp session."""
