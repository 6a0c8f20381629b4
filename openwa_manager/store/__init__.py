"""What must survive: SQLite behind one writer, in rooms by what is kept."""
