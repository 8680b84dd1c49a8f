"""What passes between the roles: one Protocol, in-process and on RabbitMQ."""
