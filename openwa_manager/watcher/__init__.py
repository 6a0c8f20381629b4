"""QR images that appear as files."""
