"""What an OpenWA is told to post, and where."""
