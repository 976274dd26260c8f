"""melwatch under systemd."""
