"""The routes about events, endpoints and deliveries, one module per noun."""
