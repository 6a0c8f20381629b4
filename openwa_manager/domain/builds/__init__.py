"""The versions of OpenWA that are installed here, and how sessions are moved from one to another."""
