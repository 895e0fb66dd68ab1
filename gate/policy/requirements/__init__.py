"""What can be required of an image: one file a rule type. They return reasons and do not know of each other."""
