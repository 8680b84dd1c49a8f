"""Programs that look for inputs which nobody thought of: `make fuzz`."""
