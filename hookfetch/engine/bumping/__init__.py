"""A newer version of an element: its archives downloaded once and checked, or a reason why not."""
