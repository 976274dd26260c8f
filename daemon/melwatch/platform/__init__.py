"""What differs between operating systems, and what melwatch asks of the one that it runs on."""
