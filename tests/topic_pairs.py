"""Topic patterns with routing keys that match in RabbitMQ and keys that do not.

RabbitMQ 3.10, 4.0 and 4.3 gave the same answer for every pair.
"""

from __future__ import annotations

LONG = "x" * 255
LONG_WORDS = ".".join("x" * 128)  # 255 bytes: the longest key that AMQP can carry
DOTS = "." * 255

# pattern: (keys that match, keys that do not match)
PATTERNS: dict[str, tuple[list[str], list[str]]] = {
    # `*` is exactly one word, which may be empty; the empty key has no word at all
    "*": (["a", "#", "*", "日本", " ", LONG], ["", "a.b", ".", "a."]),
    "*.*": (["a.b", ".", "a.", ".b"], ["a", ".."]),
    "*.*.*": ([".."], []),
    "a.*": (["a.*", "a.\n"], []),
    "a.*.b": (["a..b"], []),
    "a b.*": (["a b.c"], []),
    # `#` is any number of words, including none
    "#": (["", "a", "a.b.c", ".", "#.*", LONG_WORDS, DOTS], []),
    "a.#": (["a", "a.", "a.b.c"], ["ab", ""]),
    "#.a": (["a", "b.a", ".a"], ["ba"]),
    "a.#.b": (["a.b", "a.x.b", "a.x.y.b", "a..b"], ["ab", "a.b.c"]),
    "ключ.#": (["ключ.a"], []),
    "#." + "a" * 253: (["a" * 253], []),
    # several wildcards
    "#.#": (["", "a", "a.b"], []),
    "*.#": (["a", "a.b", ".", LONG_WORDS], [""]),
    "#.*": (["a", "a.b"], [""]),
    "*.*.#": (["a.b"], ["a"]),
    "*.#.*": (["a.b"], ["a"]),
    "a.#.#": (["a"], []),
    "#.x.#": (["x", "a.x.b"], ["a.b"]),
    "#.a.#.a": (["a.a"], ["a"]),
    # dots make empty words; nothing is trimmed
    "": ([""], ["a", "."]),
    ".": (["."], [""]),
    "..": ([".."], ["."]),
    "a..b": (["a..b"], ["a.b"]),
    "a.": (["a."], ["a"]),
    ".a": ([".a"], ["a"]),
    "a": ([], ["a.", "a ", "*", "#"]),  # a key is never a pattern
    "a.b": (["a.b"], ["A.B", "*.*", "#"]),
    "A.B": ([], ["a.b"]),
    # a wildcard is a whole word; otherwise it is a literal
    "a.**": (["a.**"], ["a.b"]),
    "a.b*": (["a.b*"], ["a.bc"]),
    "##": (["##"], ["a"]),
    "a#": (["a#"], ["ab"]),
    # letters are compared byte by byte: no case folding, no Unicode normalisation
    "é.*": (["é.ü"], []),
    "É": ([], ["é"]),
    "e\N{COMBINING ACUTE ACCENT}": ([], ["é"]),
    LONG: ([LONG], []),
}

TOPIC_PAIRS: list[tuple[str, str, bool]] = [
    (pattern, key, is_routed)
    for pattern, (taken, not_taken) in PATTERNS.items()
    for keys, is_routed in ((taken, True), (not_taken, False))
    for key in keys
]
"""Each pattern with each of its keys, and whether they match."""
