"""What may be wrong with a policy text, each by a stable name (POLICY §8).

A name once published is never reused; docs/policy-lint.md lists them all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Check(StrEnum):
    """The closed list.

    Attributes:
        says: what is wrong where it strikes, for people; one sentence or two.
        warning: whether it leaves the policy valid: what is only unused, ended or can't be seen from here.
    """

    says: str
    warning: bool

    def __new__(cls, value: str, says: str = "", kind: str = "error") -> Self:
        """A check by its name."""
        check = str.__new__(cls, value)
        check._value_ = value
        check.says = says
        check.warning = kind == "warning"
        return check

    # The text
    NOT_UTF8 = "not-utf8", "The file is not UTF-8."
    NOT_YAML = "not-yaml", "The text is neither YAML nor JSON."
    YAML_FEATURE = "yaml-feature", "YAML that readers differ about: tags, keys that are no texts, most uses of `<<`."
    DUPLICATE_KEY = "duplicate-key", "A key stands twice in one mapping: readers differ about which counts."
    TOO_LARGE = "too-large", "A file or document beyond the bounds of docs/limits.md, aliases unfolded."

    # The document
    API_VERSION = "api-version", "The apiVersion is none that this version of imagegate reads."
    UNKNOWN_KIND = "unknown-kind", "There is no such kind in imagegate.dev/v1."
    INSIDE_LIST = "inside-list", "Policies inside a list are not read: each is a document of its own."
    NAMESPACE = "namespace", "A namespace is missing, or given to what belongs to none."
    RESERVED_NAME = "reserved-name", "The name is another's, or has to be another one."
    DUPLICATE_DOCUMENT = "duplicate-document", "Two documents of one kind, namespace and name."

    # Its shape
    UNKNOWN_FIELD = "unknown-field", "There is no such field here. It is never silently ignored."
    MISSING_FIELD = "missing-field", "A field that has to be there is not."
    WRONG_TYPE = "wrong-type", "A text where a list is wanted, a number where a text is, and the like."
    WRONG_VALUE = "wrong-value", "Not one of the values that there are."
    WRONG_FORM = "wrong-form", "A text that does not have the form of what it should be."
    ONE_OF = "one-of", "Of several fields exactly one may be there."
    EMPTY = "empty", "An empty list or text where that would mean something else than it seems to."
    TOO_MANY = "too-many", "More entries or characters than are read."

    # Values
    IMAGE_PATTERN = "image-pattern", "An image pattern that would not match what it seems to."
    REGISTRY_PREFIX = "registry-prefix", "An entry of `registries` that is no prefix of whole segments."
    TAG_PATTERN = "tag-pattern", "A pattern of tags that no tag can fit."
    REF_PATTERN = "ref-pattern", "A pattern of refs that no full ref, such as refs/heads/main, can fit."
    REGEX = "regex", "A regular expression that RE2 does not take."
    PLATFORM = "platform", "A text that is no platform, such as linux/amd64."
    LABEL_PATTERN = "label-pattern", "A pattern of a label's value that can't be read."
    PREDICATE_TYPE = "predicate-type", "A text that is neither a predicate type's URI nor cosign's short name of one."
    PACKAGE_PATTERN = "package-pattern", "A text that is no package URL, or a range of versions that can't be read."
    LICENSE_PATTERN = "license-pattern", "A text that is no SPDX identifier, nor a pattern of some."
    VALUE_PATTERN = "value-pattern", "A pattern of a value that can't be read."
    SOURCE_NAME = "source-name", "A text that is no source repository by host, owner and name."
    EXPRESSION = "expression", "An expression in CEL that does not compile."
    REFERENCE = "reference", "A repository that is no image reference, or has a tag or digest."
    DIGEST = "digest", "A text that is no digest."
    FINGERPRINT = "fingerprint", "A text that is no fingerprint of a public key."
    INSTANT = "instant", "Neither a day nor an instant, or a period that ends before it begins."
    HOST = "host", "A text that is no registry, mirror or URL."
    WORKFLOW = "workflow", "A text that is no workflow of GitHub, or an event that starts none."
    LABEL_OPERATOR = "label-operator", "An operator of a label selector with values that it does not take, or without."

    # Keys, certificates, files
    KEY = "key", "A public key that can't be read, or is of no kind that is verified."
    CERTIFICATE = "certificate", "Certificates that can't be read, or are no authorities."
    TRUST_ROOT = "trust-root", "A trust root that can't be read, or has not what a signer needs of it."
    FILE_UNREADABLE = "file-unreadable", "A file that a policy names can't be read."
    FILE_REFUSED = "file-refused", "`file` where a document may name no files."

    # References between parts
    UNKNOWN_SIGNER = "unknown-signer", "No signer of this policy has the name."
    UNKNOWN_RULE = "unknown-rule", "No rule of the policy has the name."
    UNDECLARED_KIND = (
        "undeclared-kind",
        "A kind in `match.kinds` that is not Kubernetes' own, and that no GateConfig here declares.",
    )
    AMBIGUOUS_RULE = "ambiguous-rule", "Several rules are called so where one is meant."
    RULE_NAME = "rule-name", "The name of a rule stands twice, or is that of a type."

    # Rules
    SAME_PRINCIPAL = "same-principal", "One principal under two names: `all` and `atLeast` count principals, not names."
    EXPRESSION_SIZE = "expression-size", "An expression of signers that is too deep, too long or has too many choices."
    NEVER_MET = "never-met", "Nobody can ever meet it: every image is denied."
    UNPROVEN_AGE = "unproven-age", "An age is asked of signatures whose age nobody proves."
    UNPROVEN_TIME = "unproven-time", "Neither log nor timestamp: nothing says when a certificate was used."
    UNLESS = "unless", "`unless` without `minAge`, which it would make void."
    CONTRADICTION = "contradiction", "Two settings that exclude each other."
    CLUSTER_ONLY = "cluster-only", "A field that a GatePolicy does not have."
    NEEDLESS_INSECURITY = "needless-insecurity", "A check is switched off that could not fail rightly."

    # Exceptions, revocation, configuration
    REVOKES_NOTHING = "revokes-nothing", "A revocation without digests or signers."
    REVOKED_SIGNER = "revoked-signer", "A revoked signer that is not told by a fingerprint, or an issuer and a subject."
    BREAK_GLASS_OPEN = "break-glass-open", "A break-glass narrowed by nothing."
    BREAK_GLASS_LONG = "break-glass-long", "A break-glass may last 24 hours at most."
    MIRROR = "mirror", "A field of mirrors beside none, or a registry that mirrors itself."
    DUPLICATE_REGISTRY = "duplicate-registry", "Two entries of one registry."
    LIMIT = "limit", "A limit beyond what this version of imagegate allows."
    CUSTOM_RESOURCE = "custom-resource", "A kind that stands twice, is Kubernetes' own, or has no paths to its images."

    # Tests of policies
    DUPLICATE_IN_TEST = "duplicate-in-test", "Two cases of one name, or two answers for one repository or trust root."
    TEST_LAYOUT = "test-layout", "A folder that a test takes evidence from is no OCI layout."
    TEST_POLICIES = "test-policies", "What a test is of can't be read, or holds no policy."
    TEST_MANIFEST = (
        "test-manifest",
        "A case's manifest that can't be read, runs no image, or is in another namespace than the case.",
    )
    EXPECTED_POLICY = "expected-policy", "A finding is expected of a policy that is not under test."

    # What only lint looks at, and `gate check` does not refuse
    EXCEPTION_TOO_FAR = "exception-too-far", "An exception that ends later than GateConfig.exceptions.max from now."
    NEVER_MATCHES = "never-matches", "A policy that no image can match: it does nothing."
    ALWAYS_DENIES = "always-denies", "A rule that no image that its policy matches can pass."

    # What is valid, and may not be what is meant
    EXCEPTION_ENDED = "exception-ended", "An exception that is over.", "warning"
    EXCEPTION_ENDING = "exception-ending", "An exception that ends within 14 days.", "warning"
    EXCEPTION_UNREACHED = "exception-unreached", "An exception, or a part, for what no policy here matches.", "warning"
    KEY_ENDED = "key-ended", "A key whose validUntil has passed: what it signs from now on does not count.", "warning"
    CERTIFICATE_ENDED = "certificate-ended", "A certificate that has expired.", "warning"
    LITERAL_WILDCARD = "literal-wildcard", "A pattern where a text is compared to the letter.", "warning"
    MIRROR_PATTERN = (
        "mirror-pattern",
        "A pattern that names a mirror: images are judged by the name of what it mirrors.",
        "warning",
    )
    UNUSED_PATTERN = "unused-pattern", "A pattern that another one covers, or that has nothing to apply to.", "warning"
    UNKNOWN_LICENSE = "unknown-license", "A licence that is not on SPDX's list: misspelt, or somebody's own.", "warning"
    UNKNOWN_PACKAGE_TYPE = (
        "unknown-package-type",
        "A type of packages that the package URL specification does not have.",
        "warning",
    )
    UNUSED_RULE = "unused-rule", "A rule whose result changes nothing.", "warning"
    DUPLICATE_ENTRY = "duplicate-entry", "An entry that stands twice in one list.", "warning"
    NOTHING_ENFORCED = (
        "nothing-enforced",
        "No ClusterGatePolicy here enforces or warns: no image is matched.",
        "warning",
    )
    NOT_COMPARED = "not-compared", "Too many patterns to compare them all: something may go unsaid.", "warning"
    UNUSED_SIGNER = "unused-signer", "No rule speaks of the signer.", "warning"
    FITS_ANYTHING = (
        "fits-anything",
        "A regular expression that two of a handful of strangers fit.",
        "warning",
    )
    RENEWABLE_AGE = "renewable-age", "`maxAge` of a key: whoever may write to the repository can renew it.", "warning"
    UNKNOWN_PLATFORM = "unknown-platform", "A platform of a system or architecture that nobody knows.", "warning"
    UNKNOWN_POLICY = "unknown-policy", "No policy here has the name that an exception is for.", "warning"
    EXCEPTION_REFUSED = "exception-refused", "The policy takes no exceptions from this namespace.", "warning"
    UNKNOWN_TRUST_ROOT = "unknown-trust-root", "No GateTrustRoot here has the name.", "warning"
    LAYOUT_OF_ANOTHER = "layout-of-another", "A layout that was recorded of another repository.", "warning"
    UNUSED_TRUST_ROOT = "unused-trust-root", "A trust root of a test that no signer under test asks for.", "warning"
    SECRET_UNSEEN = "secret-unseen", "What a Secret holds can't be seen from here.", "warning"
    BREAK_GLASS_FILE = "break-glass-file", "From a file a break-glass lets nothing through.", "warning"
