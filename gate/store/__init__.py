"""Caches that outlive a request, and what is put into them: memory, a SQLite file, a Valkey or Redis server."""
