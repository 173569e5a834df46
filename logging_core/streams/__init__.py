"""Redis: connections of every kind, the streams that carry batches, the shards, the account of every record."""
