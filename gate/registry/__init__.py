"""The distribution-spec adapter: tags, manifests, blobs and referrers over HTTP, or from an OCI layout folder."""
