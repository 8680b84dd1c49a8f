"""The forges: real deliveries, documented shapes, and hostile ones."""
