"""What the pages show, run as it stands."""
