"""What callers keep at a session's engine, and may see and take away while none runs."""
