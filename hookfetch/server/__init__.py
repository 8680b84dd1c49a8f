"""What the outside connects to: the ingress over HTTP, and refs and sources over gRPC."""
