"""The Prometheus names in one place: what is counted as it happens, and how all of it is written at a scrape."""
