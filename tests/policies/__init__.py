"""Makes the evidence of the ready policies, `policies/NAME/testdata`: `python -m tests.policies`.

Images, signatures and attestations in OCI layouts. Each run makes keys and a Sigstore of its own and throws them away;
what is kept beside a policy are public keys and `testdata/trusted_root.json`.
"""
