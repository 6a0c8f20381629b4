"""The commands about messages, batches, queues, quotas and whom nobody writes to."""
