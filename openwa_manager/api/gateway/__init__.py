"""`/api`: OpenWA's own API, each session served by an engine of its own."""
