"""What the studio says, in English and Chinese: each language has a file of its own in `words/`."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT_LANGUAGE = "en"
MOST_SAID, MOST_NAMED = 3000, 400  # characters of what is said at once, and of a name or a list in it

# what is said, by language and key
WORDS: dict[str, dict[str, str]] = {
    code: tomllib.loads((Path(__file__).parent / "words" / f"{code}.toml").read_text("utf-8")) for code in LANGUAGES
}


class Complaint(ValueError):
    """Input that is wrong in a way that the studio can say in each language; English as a plain error."""

    def __init__(self, key: str, **values: object):
        super().__init__(translate(DEFAULT_LANGUAGE, key, **values))
        self.key = key
        self.values = values


def translate(language: str, key: str, **values: object) -> str:
    """The text of a key in a language, or in English where that is unknown."""
    return WORDS[language if language in WORDS else DEFAULT_LANGUAGE][key].format(**values)


def knows(key: str) -> bool:
    return key in WORDS[DEFAULT_LANGUAGE]


def style_word(style: str, language: str = DEFAULT_LANGUAGE) -> str:
    """What a style is called: those of the bundled model in each language, others as their publisher named them."""
    key = f"style-{style}"
    return translate(language, key) if knows(key) else style[:1].upper() + style[1:].replace("_", " ")


def retold(text: str, keys: Iterable[str], language: str) -> str:
    """A text in which everything that these keys say is said in a language, whichever it was said in.

    A text with more than the studio says comes back as it is, since searching it could take any time.
    """
    for key in keys:

        def again(found: re.Match[str], key: str = key) -> str:
            return translate(language, key, **found.groupdict())

        for words in (words[key] for code, words in WORDS.items() if code != language):
            *parts, _ = fixed = re.split(r"\{\w+\}", words)
            if all(part in text for part in fixed) and (not parts or len(text) <= MOST_SAID):
                named = rf"(?P<\1>.{{1,{MOST_NAMED // max(len(parts), 1) ** 2}}}?)"
                text = re.sub(re.sub(r"\\{(\w+)\\}", named, re.escape(words)), again, text)
    return text


def translate_error(error: Exception, language: str) -> str:
    """An error for a visitor; those from below the studio stay English."""
    if not isinstance(error, Complaint):
        return str(error)
    values = dict(error.values)
    if knows(f"name-{values.get('name')}"):
        values["name"] = translate(language, f"name-{values['name']}")
    return translate(language, error.key, **values)
