"""The WhatsApp that the simulator pretends to be linked to: codes, credentials, the link."""
