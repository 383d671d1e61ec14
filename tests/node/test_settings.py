"""node.toml: the template is the defaults, every mistake is told with file, key and what to do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tercet.errors import ConfigError
from tercet.node.settings import NodeSettings, template


def load(tmp_path: Path, text: str) -> NodeSettings:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return NodeSettings.load(path)


def test_the_template_is_read_and_its_comments_are_the_defaults(tmp_path: Path) -> None:
    text = template("hospital-a", host="0.0.0.0", port=7643, first_port=7650, lanes=2)
    fresh = load(tmp_path, text)
    assert fresh.name == "hospital-a"
    # every line behind # that is a setting, switched on, changes nothing; and every setting stands there
    switched_on = re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE)
    assert load(tmp_path, switched_on) == fresh
    listed = tomllib.loads(switched_on)
    known = fresh.model_dump(mode="json")
    assert set(listed) == set(known)
    for section in ("listen", "lanes", "limits", "timeouts", "refresh", "log"):
        assert set(listed[section]) == set(known[section])


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    found = load(tmp_path, 'name = "a"\nfolder = "data"\nidentity = "/etc/tercet/identity.pem"\n')
    assert found.folder_path == tmp_path / "data"
    assert found.identity_path == Path("/etc/tercet/identity.pem")
    assert found.database_url == f"sqlite:///{tmp_path}/data/catalogue.sqlite"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "name: is missing"),
        ('name = "a"\nfoldr = "x"\n', "foldr: no such setting"),
        ('name = "a"\n[listen]\nport = "7643"\n', "listen.port"),
        ('name = "a"\n[listen]\nport = 70000\n', "listen.port"),
        ('name = "a b"\n', "name"),
        ('name = "a"\n[limits]\njob_seconds = 0\n', "limits.job_seconds"),
        ('name = "a"\n[log]\nlevel = "loud"\n', "log.level"),
        ('name = "a"\nbase = "/"\n', "base: no such setting"),
        ("name = \n", "is not TOML"),
    ],
)
def test_every_mistake_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"node\.toml") as caught:
        load(tmp_path, text)
    assert words in caught.value.message
    assert caught.value.hint


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tercet node init"):
        NodeSettings.load(tmp_path / "none.toml")


def test_a_password_in_the_database_url_does_not_print(tmp_path: Path) -> None:
    found = load(tmp_path, 'name = "a"\ndatabase = "postgresql://tercet:secret@db/tercet"\n')
    assert found.database_url.endswith("@db/tercet")
    assert "secret" not in repr(found)


def test_limits_that_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bodies_bytes"):
        load(tmp_path, 'name = "a"\n[limits]\nbodies_bytes = 2000000\n')
