"""From spectrograms to the published `DatasetDict`: labels, splits, shards, versions."""
