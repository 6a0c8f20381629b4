"""OpenWA's routes, one module per noun, the way of a request to them, and the control routes `/_sim`."""
