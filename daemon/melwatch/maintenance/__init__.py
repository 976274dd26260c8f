"""What is damaged or left over, and putting it right."""
