"""Sets our hooks up at the forges, looks after them, and takes them away again."""
