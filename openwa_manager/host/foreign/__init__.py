"""The one way into what engines can write: their directories and logs, opened as a stranger's."""
