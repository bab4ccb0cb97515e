"""mooq."""
