"""The machine we run on: its clock, files, network, capacity and service manager; all other edges may use it."""
