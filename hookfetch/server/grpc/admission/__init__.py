"""Who is let in to which method, for which projects, and how much of it at once."""
