"""Who answers for a repository: docker's and podman's files, helpers, pull secrets, clouds."""
