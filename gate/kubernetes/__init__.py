"""Kubernetes as values: where workloads keep their images, AdmissionReviews in and out. Pure."""
