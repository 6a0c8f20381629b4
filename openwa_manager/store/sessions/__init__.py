"""The sessions: their rows, launches and timelines, and what their engines have posted."""
