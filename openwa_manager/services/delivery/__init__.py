"""Those who bring events to endpoints and listeners."""
