"""The gRPC gateway: the log to watchers, clients' requests to coordinators. It holds no state of its own."""
