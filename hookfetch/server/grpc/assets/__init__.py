"""What an unmodified BuildStream speaks to: the Remote Asset service and the way to the storage."""
