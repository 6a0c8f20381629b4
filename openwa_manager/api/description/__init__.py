"""What /openapi.json says of single fields."""
