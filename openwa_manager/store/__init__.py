"""What must survive: SQLite behind one writer."""
