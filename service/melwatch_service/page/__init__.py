"""The status page: a small web server inside the daemon, which looks at the manifest as any command does."""
