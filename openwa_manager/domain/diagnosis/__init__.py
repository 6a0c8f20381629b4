"""What the doctor finds: the table of what may be wrong and its cure, and the rules that tell it from what is known."""
