"""Tells what is at the other end of a connection: a process of this host, an address, or a proxy for somebody."""
