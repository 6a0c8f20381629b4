"""The messages on disk: what waits, what was asked of engines and what came of it; quotas, contacts and opt-outs."""
