"""The HTTP control plane and the listener for the engines."""
