"""A stand-in OpenWA process: the real HTTP contract over an imaginary WhatsApp, with vices on request."""
