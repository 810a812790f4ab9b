"""Free text from the broker: replaced by Kafka's own constant text for the code, since it can name what is hidden.

Seen with Kafka 4.3.1: creating `a_b` where `a.b` exists names the other topic; a replication factor that cannot be met
tells the number of brokers; refusals of administrative requests carry a dump of the request with principal and address.
What stays is text that repeats what the request said, or that is about the very thing that was asked for.
"""

import re
from dataclasses import replace
from typing import Any, Final, TypeVar

from kio.schema.errors import ErrorCode

from .descriptions import DESCRIPTIONS
from .may import Refusal
from .parts import mend_each
from .verdict import Mended

DUPLICATE_NAME: Final = "Duplicate topic name."
DUPLICATE_ID: Final = "Duplicate topic id."
NEITHER: Final = "Neither topic name nor id were specified."
BOTH: Final = "You may not specify both topic name and topic id."
DUPLICATE_RESOURCE: Final = "Each resource must appear at most once."
FEATURES: Final = "The update failed for all features since the following feature had an error: "
NO_PATTERNS: Final = "Regular expressions for source topics are not supported yet."
NO_LATE_TOPOLOGY: Final = "Topology can only be provided when (re-)joining."

R = TypeVar("R", Refusal, Refusal | None)

HARMLESS: Final = re.compile(
    "|".join(
        (
            *map(re.escape, (DUPLICATE_NAME, DUPLICATE_ID, NEITHER, BOTH, DUPLICATE_RESOURCE)),
            r"The provided topic name maps to an ID that was already supplied\.",
            r"Topic '(?P<exists>[\w.-]+)' already exists\.",
            r"Topic name is invalid: .*",
            r"Number of partitions was set to an invalid non-positive value\.",
            r"Replication factor must be larger than 0, or -1 to use the default value\.",
            r"The topic (?P<smaller>[\w.-]+) currently has \d+ partition\(s\); -?\d+ would not be an increase\.",
            r"Topic already has \d+ partition\(s\)\.",
            r"Attempted to add \d+ additional partition\(s\), but only \d+ assignment\(s\) were specified\.",
            r"partitions should be a consecutive 0-based integer sequence",
            r"A manual partition assignment was specified, but (?:replication factor|\w+) was not set to -1\.",
            r"Excessively large number of partitions per request\.",
            r"Unknown (?:topic|group) config name: .*",
            r"Invalid value .* for configuration [\w.]+: (?:Not a number of type [A-Z]+"
            r"|Value must be (?:at least|no more than) [-\d.]+|Expected value to be either true or false"
            r"|String must be one of: [\w, .-]+)",
            r"Null value not supported for (?:topic configs)?\s?: [\w.,\s-]+",
            r"Can't (?:APPEND|SUBTRACT) to key [\w.-]+ because its type is not LIST\.",
            r"[\w.]+ must be (?:greater|less) than or equal to [\w.]+",
            r"Error due to duplicate config keys",
            r"Default (?:topic|group) resources are not allowed\.",
            r"(?:Group name|Broker id|Client metrics subscription name) must not be empty",
            r"No Authorizer is configured(?:\.| on the broker)",
            r"Invalid empty resource name",
            r"The only valid name for the CLUSTER resource is kafka-cluster",
            r"Could not parse principal from `[^`]*` \(no colon is present separating the principal type from the "
            r"principal name\)",
            r"Invalid configuration key [\w.-]+",
            r"Quota \w+ must be greater than 0",
            r"\w+ cannot be a fractional value\.",
            r"Unhandled client quota entity type: [\w-]+",
            r"Unsupported entity type [\w-]+",
            r"Invalid empty (?:client quota entity|entity type\.)",
            r"Entity type [\w-]+ cannot appear more than once in the filter\.",
            r"Request specified MATCH_TYPE_[A-Z]+, but (?:also specified a match string|set match string to null)\.",
            r"Unknown match type -?\d+",
            r"Attempt to delete a user credential that does not exist",
            r"Attempt to describe a user credential that does not exist: (?P<user>.*)",
            r"A user credential cannot be altered twice in the same request",
            r"Username must not be empty",
            r"Unknown SCRAM mechanism",
            r"Too (?:few|many) iterations",
            *map(re.escape, (NO_PATTERNS, NO_LATE_TOPOLOGY)),
            r"Topology (?:updates are not supported yet\.|must be non-null when \(re-\)joining\.)",
            r"Broker ID -?\d+ is not currently registered",
            r"Cluster doesn't support (?:adding|removing) voter because the kraft\.version feature is \d+",
            rf"{FEATURES}Invalid update version -?\d+ for feature [\w.]+\. (?:Local controller \d+ does not support "
            r"this feature\.|Local controller \d+ only supports versions \d+-\d+|The controller does not support the "
            r"given upgrade type\.|Can't downgrade the version of this feature without setting the upgrade type to "
            r"either safe or unsafe downgrade\.)",
            rf"{FEATURES}Unsupported metadata\.version downgrade from \d+ to \d+\. Refusing to perform the requested "
            r"downgrade because it might delete metadata information\.",
        )
    ),
    re.DOTALL | re.ASCII,
)
"""Whole texts that are shown as they are. A name in one must be that of the entry which it stands in."""
FREE_IN_FORM: Final = frozenset({ErrorCode.none, ErrorCode.policy_violation, ErrorCode.unknown_server_error})
"""Codes whose texts are not Kafka's: a platform's own policies and unforeseen exceptions say what they like, and beside
success there is nothing to say."""


def constant_text(code: ErrorCode) -> str | None:
    """Kafka's description of the code; None for no error."""
    if code is ErrorCode.none:
        return None
    return DESCRIPTIONS.get(code) or code.name.replace("_", " ")


def spoken(refusal: R) -> R:
    """The refusal with a text: Kafka's constant one where it has none. For answers in which Kafka always gives one.

    None, which refuses nothing, stays.
    """
    if refusal is None or refusal.text is not None:
        return refusal
    return replace(refusal, text=constant_text(refusal.code))


def without_free_text(entry: Any, attribute: str = "error_message") -> Any:
    """The entry with its text replaced by the constant one; the same object where there is none or it is harmless."""
    text = getattr(entry, attribute, None)
    if not text or _is_harmless(text, entry):
        return entry
    return replace(entry, **{attribute: constant_text(entry.error_code)})


def without_free_texts(message: Any, *path: str) -> Any:
    """The message without its own free text and those of the entries in `path[0]`, of theirs in `path[1]`, and so on.

    The same object where all stay. A version or an entry may lack the field.
    """
    message = without_free_text(message)
    if not path or not hasattr(message, path[0]):
        return message
    return mend_each(message, path[0], lambda entry: without_free_texts(entry, *path[1:]))


def constant_texts(*path: str) -> Mended:
    """Mend the texts of an answer, down this path, and nothing else."""
    return Mended(lambda response, _: without_free_texts(response, *path))


def _is_harmless(text: str, entry: Any) -> bool:
    found = None if entry.error_code in FREE_IN_FORM else HARMLESS.fullmatch(text)
    if found is None:
        return False
    if found["user"] is not None:
        return bool(found["user"] == getattr(entry, "user", None))
    named = found["exists"] or found["smaller"]
    return named is None or named == getattr(entry, "name", None)
