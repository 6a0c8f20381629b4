"""What is shown on a terminal: tables, codes, the live view."""
