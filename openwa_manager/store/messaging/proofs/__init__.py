"""What proves what became of messages: what WhatsApp acknowledges, and what engines have seen."""
