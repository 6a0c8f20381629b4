"""Those who keep the daemon and its files in order, and tell the service manager."""
