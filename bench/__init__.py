"""Programs that measure what hookfetch claims. They print; nothing in the package imports them."""
