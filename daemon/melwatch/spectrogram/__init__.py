"""From the bytes of a song to its log-mel spectrograms, and the processes that do it."""
