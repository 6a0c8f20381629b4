"""`service`: installs the daemon under systemd or launchd."""
