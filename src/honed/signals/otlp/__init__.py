"""From the messages of OpenTelemetry's protocol to signals; bounded in all that is kept."""
