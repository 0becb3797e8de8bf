"""The two ciphers by the answers that their own documents print."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sts import misty1, sta
from drivers.sts.sta import Tables, load_tables, sample_tables
from hub import ConfigError

KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
SAMPLE = sample_tables()
blocks = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("clear", "cipher"),
    [(0x0123456789ABCDEF, 0x8B1DA5F56AB3D07C), (0xFEDCBA9876543210, 0x04B68240B13BE95D)],
)
def test_misty1_gives_the_answers_of_rfc_2994(clear: int, cipher: int) -> None:
    assert misty1.encrypt(KEY, clear) == cipher
    assert misty1.decrypt(KEY, cipher) == clear


@given(st.binary(min_size=16, max_size=16), blocks)
def test_misty1_decrypts_what_it_encrypts(key: bytes, block: int) -> None:
    assert misty1.decrypt(key, misty1.encrypt(key, block)) == block


def test_sta_gives_the_worked_example_of_the_standard() -> None:
    key = bytes.fromhex("0abc12def3456789")
    assert sta.encrypt(SAMPLE, key, 0x0B19EB230100C207) == 0xC45ED1619406DF95
    assert sta.decrypt(SAMPLE, key, 0xC45ED1619406DF95) == 0x0B19EB230100C207


@given(
    st.permutations(range(16)),
    st.permutations(range(16)),
    st.permutations(range(64)),
    st.binary(min_size=8, max_size=8),
    blocks,
)
def test_sta_decrypts_what_it_encrypts_with_any_tables(
    one: list[int], two: list[int], permutation: list[int], key: bytes, block: int
) -> None:
    tables = Tables(tuple(one), tuple(two), tuple(permutation))
    assert sta.decrypt(tables, key, sta.encrypt(tables, key, block)) == block


@pytest.mark.parametrize("place", ["substitution1", "substitution2", "permutation"])
def test_tables_that_are_no_permutations_are_refused(place: str) -> None:
    parts = {
        name: getattr(SAMPLE, name) for name in ("substitution1", "substitution2", "permutation")
    }
    parts[place] = (parts[place][1], *parts[place][1:])
    with pytest.raises(ConfigError, match=place):
        Tables(**parts)


class TestTableFile:
    def write(self, folder: Path, digest: str) -> Path:
        file = folder / "ea07.toml"
        lines = [
            f"{name} = {list(getattr(SAMPLE, name))}"
            for name in ("substitution1", "substitution2", "permutation")
        ]
        file.write_text("\n".join([*lines, f'sha256 = "{digest}"' if digest else ""]))
        return file

    def test_a_file_with_the_right_digest_is_read(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, SAMPLE.digest)
        assert load_tables(file).digest == SAMPLE.digest
        assert load_tables(self.write(tmp_path, ""), SAMPLE.digest).digest == SAMPLE.digest

    def test_a_file_with_another_digest_or_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="not as stated"):
            load_tables(self.write(tmp_path, "00" * 32))
        with pytest.raises(ConfigError, match="not as stated"):
            load_tables(self.write(tmp_path, SAMPLE.digest), "00" * 32)
        with pytest.raises(ConfigError, match="add sha256"):
            load_tables(self.write(tmp_path, ""))

    def test_a_file_that_is_missing_or_no_toml_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="nowhere"):
            load_tables(tmp_path / "nowhere.toml")
        (tmp_path / "bad.toml").write_text("substitution1 = [1,")
        with pytest.raises(ConfigError, match=r"bad\.toml"):
            load_tables(tmp_path / "bad.toml")
