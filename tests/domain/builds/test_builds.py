from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.builds.builds import (
    FolderSource,
    GitSource,
    build_name,
    checked_git_url,
    folder_source,
    git_source,
    is_build,
    name_of_ref,
)
from openwa_manager.domain.errors import InvalidInputError


def test_a_commit_is_a_repository_and_what_stands_behind_the_hash() -> None:
    assert git_source("https://github.com/rmyndharis/OpenWA#v0.23.1") == GitSource(
        "https://github.com/rmyndharis/OpenWA", "v0.23.1"
    )
    assert git_source("ssh://git@example.com:22/a.git#feature/x").shown == "ssh://git@example.com:22/a.git#feature/x"
    assert git_source("file:///srv/openwa.git#0123abc").ref == "0123abc"


@pytest.mark.parametrize(
    "text",
    [
        *("https://example.com/a", "https://example.com/a#", "https://example.com/a#-x", "https://example.com/a#a:b"),
        *("https://example.com/a#a..b", "https://example.com/a#a//b", "https://example.com/a#a.lock"),
        *("https://example.com/a#a/", "https://example.com/a#b#c d", "http://example.com/a#m", "ext::sh#m", "/srv/a#m"),
        *("https:///a#m", "https://u:p@example.com/a#m", "https://u@example.com/a#m", "ssh://-o@example.com/a#m"),
        *("ssh://-oProxyCommand=x/a#m", "file://host/a#m", "file:a#m", "https://[x/a#m", "https://a.com/a?b=c#m"),
        *("https://a.com/a b#m", "https://a.com/" + "a" * 3000 + "#m"),
    ],
)
def test_what_git_could_misunderstand_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="git:"):
        git_source(text)


def test_a_repository_of_this_host_is_where_its_url_says() -> None:
    assert git_source("file:///srv/open%20wa.git#main").local_path == Path("/srv/open wa.git")
    assert git_source("https://example.com/a#main").local_path is None


def test_a_repository_alone_is_checked_likewise() -> None:
    assert checked_git_url("https://github.com/rmyndharis/OpenWA") == "https://github.com/rmyndharis/OpenWA"


@pytest.mark.parametrize("text", ["", ".x", "-x", "A", "a/b", "a b", "a" * 64, "default", "openwa_home", "rollouts"])
def test_a_build_has_the_name_of_a_folder_and_of_nothing_else(text: str) -> None:
    with pytest.raises(InvalidInputError, match="version:"):
        build_name(text)


def test_the_setting_s_own_build_has_a_name_too() -> None:
    assert is_build("openwa_home")
    assert not is_build("default")
    assert not is_build("../x")


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("v0.23.1", "0.23.1"),
        ("main", "main"),
        ("Feature/X", "feature-x"),
        ("v1" + "a" * 99, "1" + "a" * 62),
    ],
)
def test_a_build_is_named_by_its_ref(ref: str, name: str) -> None:
    assert name_of_ref(ref) == name


@given(ref=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", fullmatch=True))
def test_every_ref_names_a_build(ref: str) -> None:
    name = name_of_ref(ref)

    assert name in ("default", "openwa_home", "rollouts") or build_name(name) == name


def test_a_folder_is_shown_by_its_path() -> None:
    assert FolderSource(Path("/srv/openwa")).shown == "/srv/openwa"


#: Writes from right to left, has no width, steers a terminal (C0, C1), ends a line.
UNSEEN = (
    "\u202e",
    "\u2066",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u00ad",
    "\x1b",
    "\x9b",
    "\x85",
    "\n",
    "\u2028",
    "\U000e0041",
)


@pytest.mark.parametrize("unseen", UNSEEN)
def test_what_nobody_sees_is_refused_in_whatever_is_shown_of_a_build(unseen: str) -> None:
    for text in (f"https://example.com/a{unseen}b#m", f"file:///srv/a{unseen}b#m", f"https://example.com/a#m{unseen}"):
        with pytest.raises(InvalidInputError, match="git:"):
            git_source(text)
    with pytest.raises(InvalidInputError, match="version:"):
        build_name(f"a{unseen}b")
    with pytest.raises(InvalidInputError, match="path: has invisible"):
        folder_source(f"/srv/a{unseen}b")


def test_a_path_may_have_letters_of_any_writing() -> None:
    assert folder_source("/srv/香港 é").path == Path("/srv/香港 é")
