"""Delta tables and what guards them: the store, the lock, the days that are due."""
