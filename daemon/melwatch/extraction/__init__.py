"""Files worked on: what a worker does with one, here or on a cluster, and what is recorded of it."""
