"""Decides whether a request is let in: the host check, the authenticator, the authorizer."""
