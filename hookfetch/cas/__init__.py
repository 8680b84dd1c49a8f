"""What the remote source cache holds, asked over its own protocols."""
