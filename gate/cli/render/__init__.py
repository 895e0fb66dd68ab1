"""Output formats, one file each: a report in, a text out."""
