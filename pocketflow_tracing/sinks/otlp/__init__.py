"""OTLP over HTTP: what any OpenTelemetry backend takes, Langfuse among them."""
