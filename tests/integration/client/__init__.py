"""What a service does with a connection: declare, publish, consume, get, and close."""
