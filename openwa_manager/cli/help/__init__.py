"""What the command line tells of itself: commands, examples, pages, and words that the shell completes."""
