"""Operating-system processes: start, recognise, await, measure and end them."""
