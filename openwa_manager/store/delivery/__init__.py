"""The events on their way out: the outbox, the endpoints, the deliveries, and how long all that is kept."""
