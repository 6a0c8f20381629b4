"""HTTP as OpenWA speaks it: bytes, connections, errors, the checks of a body, rate limits."""
