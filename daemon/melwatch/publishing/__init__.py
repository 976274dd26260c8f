"""What the next version shows, and having it written."""
