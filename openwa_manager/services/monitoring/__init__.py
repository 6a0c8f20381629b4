"""Those who watch: engines, memory, disk, the host; and what they report."""
