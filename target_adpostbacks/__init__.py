"""Posts attributed conversions back to ad networks, server to server."""
