"""Policy texts into values: the schema, what the parts mean, and what is wrong with them."""
