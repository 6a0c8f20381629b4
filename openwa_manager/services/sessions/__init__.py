"""The owners of the sessions: one supervisor each, what they are asked, and what they carry out."""
