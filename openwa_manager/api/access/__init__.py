"""The calls about who may do what, and who did."""
