"""What people and programs ask of sessions' queues: to see them, pause them, choose their pace, empty them."""
