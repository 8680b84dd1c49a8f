"""The bus of one process: no broker, nothing but dead letters on disk."""
