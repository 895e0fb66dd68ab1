"""Tools for those who write policies. Pure: what they need to know of the world is given to them."""
