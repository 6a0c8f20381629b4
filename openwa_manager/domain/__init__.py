"""The pure heart: what a session is and what happens to it; no I/O, no clock, no asyncio."""
