"""The bus on RabbitMQ: quorum queues with confirms, and a stream for the log."""
