"""The folders of builds: copied, measured, closed to writers, removed."""
