"""Installs builds of OpenWA, moves sessions from one to another, and removes what nobody runs."""
