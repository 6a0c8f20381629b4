"""The builds on disk, which of them is the default, and the roll-outs."""
