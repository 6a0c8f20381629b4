"""`diagnose`: writes what is known of one session into a file that can be handed to others: no secrets, no people."""
