"""The machine we run on: its clock, network, capacity and service manager."""
