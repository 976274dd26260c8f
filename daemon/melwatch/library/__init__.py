"""The music on disk: which files count, where they are, what they are. Writes nothing."""
