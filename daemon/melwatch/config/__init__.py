"""What the user may set, where it comes from, and what it means."""
