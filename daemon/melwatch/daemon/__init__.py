"""The resident program: what it waits for, when it has a pass made, and what it tells meanwhile."""
