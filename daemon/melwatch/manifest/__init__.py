"""What is known: a SQLite database in the state folder, and the lock that guards it."""
