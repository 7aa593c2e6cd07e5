"""What the engine's events are called and look like on the wire: one dialect per published API."""
