"""How a build of OpenWA is made: what is run for it, what it may do meanwhile, and what the result must be."""
