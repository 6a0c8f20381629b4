"""What is done to the messages as a whole: held after a copy was put back, forgotten after a time."""
