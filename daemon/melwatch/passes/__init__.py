"""One pass over a library: look, take in, publish."""
