"""Which release an element is updated to."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.core.releases import Release
from hookfetch.core.versions import Rules, Version, choose, is_prerelease, newest

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def of(*versions: str) -> list[Release]:
    return [Release(version=version) for version in versions]


NO_RULES = Rules()


def chosen(current: str, releases: list[Release], rules: Rules = NO_RULES) -> str | None:
    release = choose(current, releases, rules, NOW)
    return release.version if release else None


@pytest.mark.parametrize(
    ("current", "there", "expected"),
    [
        ("10.9.0", "10.10.0 11.0.0 10.9.0", "11.0.0"),  # libvirt
        ("1.8.0", "1.5.0.2 1.7.2", None),  # never down
        ("1.0", "1.0.0", None),  # nor to another spelling
        ("1.21.3", "1.22-beta1 1.21.3", None),  # krb5: on no pre-release
        ("1.22-beta1", "1.22-beta2 1.22 1.23-beta1", "1.23-beta1"),  # on one already
        ("128.13.0esr", "140.1.0esr 141.0 141.0b2", "140.1.0esr"),  # firefox
        ("1.1.1k", "1.1.1w 3.0.0-alpha1", "1.1.1w"),  # openssl
        ("9.6p1", "9.6p2 9.6 9.7p1", "9.7p1"),  # openssh
        ("20240701", "20250124", "20250124"),  # osinfo-db
        ("1.2.3", "20250124 1.2.4", "1.2.4"),  # a tag of a date among versions
        ("2024.05", "2025.01 3.0", "2025.01"),
        ("23.4-jre", "23.5-jre 24.0-android", "23.5-jre"),  # guava
        ("1.4.11", "1.4.12 1.4.12-java7", "1.4.12"),  # xstream
        ("0.1", "", None),
    ],
)
def test_an_update_is_the_newest_release_of_its_kind(current: str, there: str, expected: str | None) -> None:
    assert chosen(current, of(*there.split())) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(), "2.82.0"),
        (Rules(series="2.80.*"), "2.80.1"),
        (Rules(odd_even=True), "2.82.0"),
        (Rules(prereleases=True, odd_even=True), "2.83.1"),
        (Rules(series="2.8[13].*"), None),
        (Rules(series="2.8[13].*", odd_even=True, prereleases=True), "2.83.1"),
    ],
)
def test_rules_narrow_and_widen_the_choice(rules: Rules, expected: str | None) -> None:
    glib = of("2.80.1", "2.82.0", "2.83.1")
    if not rules.odd_even:
        glib = [Release(version=each.version, prerelease=each.version == "2.83.1") for each in glib]
    assert chosen("2.80.0", glib, rules) == expected


def test_who_is_on_a_pre_release_stays_there_only_if_asked_to_leave() -> None:
    assert chosen("45.beta", of("45.rc", "45.0")) == "45.0"
    assert chosen("45.beta", of("45.rc"), Rules(prereleases=False)) is None


def test_an_element_is_on_a_pre_release_if_the_source_says_so_of_its_version() -> None:
    libxml2 = [Release(version=version, prerelease=True) for version in ("2.11.5", "2.11.6")]
    assert chosen("2.11.5", libxml2) == "2.11.6"
    assert chosen("2.10.4", libxml2) is None


def test_what_the_source_calls_a_pre_release_is_one_and_what_is_spelled_so_too() -> None:
    said = [Release(version="2.0", prerelease=True), Release(version="1.9rc1", prerelease=False)]
    assert chosen("1.8", said) is None


def test_no_update_goes_to_what_was_yanked_or_is_for_one_platform_alone() -> None:
    listed = [Release(version="2.0", yanked=True), Release(version="1.9", platform="java"), *of("1.8.1")]
    assert chosen("1.8", listed) == "1.8.1"


def test_all_yanked_is_no_reason_to_move() -> None:
    assert chosen("1.8", [Release(version="1.8", yanked=True), Release(version="1.7", yanked=True)]) is None


def test_of_several_things_in_one_place_the_one_that_is_named_counts() -> None:
    tags = [
        Release(version="2.0", name="lib"),
        Release(version="3.0", name="tool"),
        Release(version="1.5"),
        Release(version=None, tag="nightly"),
    ]
    assert chosen("1.0", tags, Rules(name="Lib")) == "2.0"
    assert chosen("1.0", tags) == "1.5"
    assert chosen("1.0", tags[:2]) is None
    assert chosen("1.0", tags[:1]) == "2.0"


@pytest.mark.parametrize(
    ("published", "seen", "expected"),
    [
        (NOW - 8 * DAY, None, "1.1"),
        (NOW - 6 * DAY, None, None),
        (NOW - 6 * DAY, NOW - 30 * DAY, None),
        (None, None, None),
        (None, NOW - 8 * DAY, "1.1"),
        (NOW + 9000 * DAY, None, None),  # a clock in the future: what counts is when it was seen
        (NOW + 9000 * DAY, NOW - 8 * DAY, "1.1"),
    ],
)
def test_a_minimum_age_is_waited_for(
    published: datetime | None, seen: datetime | None, expected: str | None
) -> None:
    release = Release(version="1.1", published=published)
    first_seen = {"1.1": seen} if seen else {}
    found = choose("1.0", [release], Rules(minimum_age=7 * DAY), NOW, first_seen)
    assert (found.version if found else None) == expected


def test_the_newest_of_a_document_is_final_and_of_one_thing() -> None:
    listed = of("1.0", "1.10", "1.9", "2.0rc1", "1.11-java7")
    assert newest(listed) == Release(version="1.10")
    assert newest([Release(version="1", name="a"), Release(version="2", name="b")]) is None
    assert newest([]) is None
    assert newest(of("1.0-jre")) == Release(version="1.0-jre")


VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(-?(rc|beta|p|a|dev)[0-9]?)?", fullmatch=True)
RELEASES = st.lists(
    st.builds(
        Release,
        version=st.none() | VERSIONS | st.text(max_size=20),
        yanked=st.booleans(),
        prerelease=st.none() | st.booleans(),
    ),
    max_size=12,
)


@given(VERSIONS, RELEASES)
def test_whatever_there_is_no_update_goes_down_to_a_pre_release_or_to_what_was_yanked(
    current: str, releases: list[Release]
) -> None:
    found = choose(current, releases, Rules(prereleases=False), NOW)
    if found is not None:
        assert not found.yanked
        assert not found.prerelease
        assert found.version is not None
        assert not is_prerelease(found.version)
        p_is_patch = "p" in current
        assert Version(found.version, p_is_patch) > Version(current, p_is_patch)
