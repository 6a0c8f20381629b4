"""The doctor: gathers what the daemon knows of its sessions, endpoints and host, and says what is wrong with them."""
