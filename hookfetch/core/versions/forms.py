"""A text with a version in it, and the same text with another version: `2.80/glib-2.80.1.tar.xz`. Pure."""

import re
from dataclasses import dataclass, field

_NUMBERS = re.compile(r"[0-9]+(?:[._-][0-9]+)*")
_NUMBER = re.compile(r"[0-9]+")
_PART = re.compile(r"((?:.*%\{[^}]*\}[._-]?)?)([0-9]+)")
_SEPARATORS = "._-"


@dataclass(frozen=True, slots=True)
class Move:
    """From one version to another: how each of the forms in which the old one is written changes.

    Whole: `1.2.3`, `1_2_3`, `1-2-3`, and without a word at its end (`128.13.0` of 128.13.0esr). Series, in
    folders alone: `1.2` and `1_2`, and `1`, `v1` or `v1.x` as a folder's whole name.
    """

    old: str
    new: str
    _whole: dict[str, str] = field(init=False, repr=False)
    _series: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Write both versions in each form."""
        whole = {self.old: self.new}
        series: dict[str, str] = {}
        old_numbers, new_numbers = _numbers(self.old), _numbers(self.new)
        if old_numbers and new_numbers:
            whole.setdefault(old_numbers, new_numbers)
            for each, other in list(whole.items()):
                for separator in _SEPARATORS:
                    whole.setdefault(_separated(each, separator), _separated(other, separator))
            for separator in _SEPARATORS[:2]:
                series.setdefault(_first(old_numbers, separator), _first(new_numbers, separator))
        object.__setattr__(self, "_whole", whole)
        object.__setattr__(self, "_series", series)

    def is_in(self, text: str) -> bool:
        """Return whether the old version stands in a text, in any of its whole forms."""
        return _pattern(self._whole).search(text) is not None

    def rewritten(self, text: str) -> list[str]:
        """Return `text`, a URL, with the new version. Where a folder may be named by the old version or by
        its series (`1.22/krb5-1.22.tar.gz`), first by the version, then by the series."""
        *folders, last = text.split("/")
        found = (
            [*(self._folder(folder, by_series=by_series) for folder in folders), self._with(last)]
            for by_series in (False, True)
        )
        return list(dict.fromkeys("/".join(parts) for parts in found))

    def value(self, text: str) -> list[str]:
        """Return what the value of a variable or of another key of a source may change to, the likeliest
        first; an empty list where it has nothing of the old version. A value may be the version, its
        series, one number of it, or the rest of it after another variable (`%{series}.2`)."""
        whole = self._with(text)
        if whole != text:
            return [whole]
        if text in self._series:
            return [self._series[text]]
        part = _PART.fullmatch(text)
        numbers = zip(_NUMBER.findall(self.old), _NUMBER.findall(self.new), strict=False)
        found = [f"{part[1]}{new}" for old, new in numbers if part is not None and part[2] == old]
        return list(dict.fromkeys(found))

    def _with(self, text: str) -> str:
        return _pattern(self._whole).sub(lambda found: self._whole[found.group()], text)

    def _folder(self, folder: str, *, by_series: bool) -> str:
        major = re.fullmatch(r"(.*:)?(v?)([0-9]+)(\.x)?", folder)
        if major and major[3] == _major(self.old) and major[3] not in self._whole:
            return f"{major[1] or ''}{major[2]}{_major(self.new)}{major[4] or ''}"
        forms = self._whole | self._series if by_series else self._series | self._whole
        return _pattern(forms).sub(lambda found: forms[found.group()], folder)


def _pattern(forms: dict[str, str]) -> re.Pattern[str]:
    # As a whole: 2.3 is neither in 1.2.3 nor in 2.3.4, 12.3 or 2.3rc1.
    texts = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(rf"(?<![0-9])(?<![0-9][._])(?:{texts})(?![0-9A-Za-z])(?![._][0-9])")


def _numbers(version: str) -> str | None:
    found = _NUMBERS.match(version)
    return found.group() if found else None


def _separated(version: str, separator: str) -> str:
    return re.sub(r"(?<=[0-9])[._-](?=[0-9])", separator, version)


def _first(numbers: str, separator: str) -> str:
    return separator.join(_NUMBER.findall(numbers)[:2])


def _major(version: str) -> str:
    found = _NUMBER.search(version)
    return found.group() if found else ""
