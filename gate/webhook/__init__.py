"""The admission webhook: Flask under gunicorn."""
