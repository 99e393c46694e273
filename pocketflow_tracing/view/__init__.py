"""How a trace is shown."""
