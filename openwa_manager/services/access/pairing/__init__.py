"""Links by which somebody without a key pairs one session: what holds, who looks, how often."""
