"""What watches engines, memory, disk and the host, and what it has measured."""
