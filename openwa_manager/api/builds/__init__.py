"""The calls about builds of OpenWA, and about moving sessions from one to another."""
