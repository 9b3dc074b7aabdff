"""Several processes that are one gateway: a parent under twistd, a spawner that forks, and workers that serve."""
