"""`doctor`: checks the host, the settings and the daemon, and says what to do."""
