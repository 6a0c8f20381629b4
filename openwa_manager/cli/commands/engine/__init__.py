"""The commands about builds of OpenWA: install, list, check, use, go back, remove."""
