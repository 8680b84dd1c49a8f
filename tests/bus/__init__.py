"""The bus: one behavioural suite over both, and what only a broker has."""
