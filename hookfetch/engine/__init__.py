"""BuildStream, kept warm in processes of its own."""
