"""What is trusted: public keys. Pure."""
