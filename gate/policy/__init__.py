"""Policies as values, and decisions as a function of policies, references and evidence. Pure."""
