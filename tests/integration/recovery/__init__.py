"""Lost connections, restarts, several nodes, and what comes back by itself."""
