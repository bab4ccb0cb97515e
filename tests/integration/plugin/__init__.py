"""The pytest plugin, by runs of pytest in processes of their own and by its fixtures."""
