"""Who calls, and what becomes of it: tokens, certificates, bounds, the audit log; for gRPC and HTTP alike."""
