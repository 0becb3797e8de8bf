"""Settings: order, every fault at once, each with its place."""

from pathlib import Path

import msgspec
import pytest

import config
from config.settings import DEFAULT

FOLDER = DEFAULT.parent


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return path


def bare(settings: config.Settings) -> config.Settings:
    return msgspec.structs.replace(settings, origin=config.Origin())


def test_the_default_file_says_what_the_code_says():
    assert bare(config.load()) == config.Settings()


def test_the_default_file_shows_every_key():
    import tomllib

    shown = tomllib.loads(DEFAULT.read_text())
    for field in msgspec.structs.fields(config.Settings):
        if field.name in {"plugin", "channels", "origin"}:
            continue
        assert set(shown[field.name]) == {f.name for f in msgspec.structs.fields(field.type)}


@pytest.mark.parametrize("name", ["gateway.example.toml", "central.example.toml"])
def test_the_examples_load(name):
    assert bare(config.load(FOLDER / name)) != config.Settings()


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(tmp_path):
    path = write(tmp_path, "[api]\nport = 9000\nhost = '0.0.0.0'\n")
    settings = config.load(path, {"BUSBAR_API__PORT": "9001", "API_PORT": "9002"})
    assert (settings.api.host, settings.api.port) == ("0.0.0.0", 9001)
    assert settings.log.level == "info"


def test_named_variables_and_secret_files_are_read(tmp_path):
    secret = tmp_path / "dsn"
    secret.write_text("postgresql://u:p@h/d\n")
    env = {
        "LOG_LEVEL": "WARNING",
        "DATABASE_URL_FILE": str(secret),
        "CORS_ORIGINS": "https://a, https://b",
    }
    settings = config.load(None, env)
    assert settings.log.level == "warning"
    assert settings.database.dsn == "postgresql://u:p@h/d"
    assert settings.api.cors_origins == ("https://a", "https://b")


def test_every_fault_is_told_at_once_with_its_line(tmp_path):
    path = write(
        tmp_path,
        "[api]\nprot = 1\nport = 'x'\n\n[buffer]\nhistory_days = -1\n\n[nowhere]\na = 1\n",
    )
    with pytest.raises(config.Faults) as caught:
        config.load(path, {"LOG_LEVEL": "loud"})
    text = str(caught.value)
    assert f"{path}:2: api.prot: unknown key 'prot': did you mean 'port'?" in text
    assert f"{path}:3: api.port: Expected `int`, got `str`" in text
    assert f"{path}:6: buffer.history_days: Expected `float` >= 0.0" in text
    assert f"{path}:8: nowhere: unknown key 'nowhere'" in text
    assert "environment variable LOG_LEVEL: log.level: " in text
    assert len(caught.value.lines) == 5


def test_the_file_cannot_set_where_it_came_from(tmp_path):
    with pytest.raises(config.Faults, match="unknown key 'origin'"):
        config.load(write(tmp_path, "[origin]\nfiles = []\n"))


def test_a_missing_file_and_broken_toml_are_told_with_the_place(tmp_path):
    with pytest.raises(config.Faults, match=r"nothere\.toml: No such file"):
        config.load(tmp_path / "nothere.toml")
    with pytest.raises(config.Faults, match=r"not TOML.*line 2"):
        config.load(write(tmp_path, "a = 1\nb = \n"))


def test_production_refuses_debug_and_short_secrets(tmp_path):
    path = write(tmp_path, "[site]\nenv = 'production'\ndebug = true\n")
    with pytest.raises(config.Faults) as caught:
        config.load(path, {"JWT_SECRET_KEY": "short"})
    assert f"{path}:3: site.debug" in str(caught.value)
    assert "environment variable JWT_SECRET_KEY: auth.jwt_secret_key: too short" in str(
        caught.value
    )


def test_an_unreadable_secret_file_is_told(tmp_path):
    with pytest.raises(config.Faults, match=r"DATABASE_URL_FILE: database\.dsn: cannot read"):
        config.load(None, {"DATABASE_URL_FILE": str(tmp_path / "none")})


def test_channels_of_several_files_run_together_and_keep_their_lines(tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text("[api]\nport = 1\n[[channels]]\nname = 'a'\n")
    two.write_text("[api]\nport = 2\n\n[[channels]]\nname = 'b'\n[[channels]]\nname = 'c'\n")
    settings = config.load([one, two])
    assert [c["name"] for c in settings.channels] == ["a", "b", "c"]
    assert settings.api.port == 2
    places = [settings.origin.place(("channels", i, "name")) for i in range(3)]
    assert places == [f"{one}:4", f"{two}:5", f"{two}:7"]
