"""A music file's bytes: where its tags end, where its sound begins, what its frames say."""
