"""The user's door to melwatch: the command line and its pictures."""
