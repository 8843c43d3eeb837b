"""The file of a backup: read by tar, taken in chunk by chunk, refused with the reason where it is not whole."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from daemon.core.errors import BadBackup
from daemon.core.wire import BackupManifest
from daemon.encoder.knowledge.file import backup_format
from daemon.encoder.knowledge.file.backup_manifest import manifest_of
from tests.support.encoder.knowledge import add, open_base

FINGERPRINT = "fake|1"
BLOCK = tarfile.BLOCKSIZE


@pytest.fixture
def database(tmp_path: Path) -> Path:
    base = open_base(tmp_path / "knowledge.db")
    add(base, "one entry", "another entry")
    base.close()
    return tmp_path / "knowledge.db"


@pytest.fixture
def manifest(database: Path) -> BackupManifest:
    return manifest_of(database, "acme", FINGERPRINT)


@pytest.fixture
def backup(database: Path, manifest: BackupManifest) -> bytes:
    return backup_format.head(manifest) + database.read_bytes() + backup_format.tail(manifest)


def take_in(data: bytes) -> None:
    unpacker = backup_format.Unpacker(io.BytesIO())
    unpacker.feed(data)
    unpacker.finish()


def refusal(data: bytes) -> str:
    with pytest.raises(BadBackup) as caught:
        take_in(data)
    message = caught.value.message
    assert message.startswith("cannot restore this file: ")
    assert message.endswith("; nothing was changed")
    return message


def with_manifest(backup: bytes, **changes: object) -> bytes:
    """The same file with other words in its manifest, of the same length or not."""
    manifest = BackupManifest.model_validate_json(tar_of(backup).extractfile("manifest.json").read())  # type: ignore[union-attr]
    changed = backup_format.head(manifest.model_copy(update=changes))
    return changed + backup[len(backup_format.head(manifest)) :]


def tar_of(backup: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(backup))


def test_the_manifest_tells_what_the_base_holds(database: Path, manifest: BackupManifest) -> None:
    raw = database.read_bytes()
    assert (manifest.tenant, manifest.entries, manifest.revision) == ("acme", 2, 1)
    assert manifest.fingerprint == FINGERPRINT
    assert (manifest.database.bytes, manifest.database.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())


def test_tar_reads_it(database: Path, backup: bytes) -> None:
    with tar_of(backup) as tar:
        assert tar.getnames() == ["manifest.json", "knowledge.db"]
        assert tar.extractfile("knowledge.db").read() == database.read_bytes()  # type: ignore[union-attr]
        assert {member.mode for member in tar} == {0o600}
    assert len(backup) % BLOCK == 0


@pytest.mark.parametrize("size", [1, 511, 512, 1000, 1 << 20])
def test_it_is_taken_in_in_chunks_of_any_size(
    backup: bytes, database: Path, manifest: BackupManifest, size: int
) -> None:
    file = io.BytesIO()
    unpacker = backup_format.Unpacker(file)
    assert unpacker.manifest is None
    for at in range(0, len(backup), size):
        unpacker.feed(backup[at : at + size])
    assert unpacker.finish() == unpacker.manifest == manifest
    assert file.getvalue() == database.read_bytes()


def test_what_is_cut_off_says_how_much_lacks(backup: bytes, manifest: BackupManifest) -> None:
    assert "it ends before its database begins" in refusal(backup[:700])
    assert "it ends before its database begins" in refusal(b"")
    head = len(backup_format.head(manifest))
    assert f"it is cut short: {manifest.database.bytes - 10} of the" in refusal(backup[: head + 10])


def test_a_changed_byte_is_noticed(backup: bytes, manifest: BackupManifest) -> None:
    at = len(backup_format.head(manifest)) + 100
    assert "its checksum does not fit" in refusal(backup[:at] + bytes([backup[at] ^ 1]) + backup[at + 1 :])


def test_another_file_is_no_backup(backup: bytes) -> None:
    assert "it is no backup of vecward" in refusal(b"x" * 5000)
    other = io.BytesIO()
    with tarfile.open(fileobj=other, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("other.txt"))
    assert "'other.txt' stands where manifest.json should" in refusal(other.getvalue())


def test_a_manifest_that_is_none_says_where(backup: bytes) -> None:
    at = backup.index(b'"sha256"')
    assert "its manifest can't be read: database." in refusal(backup[:at] + b'"sha255"' + backup[at + 8 :])
    assert "its manifest can't be read: the whole" in refusal(backup[:BLOCK] + b"x" + backup[BLOCK + 1 :])
    large = tarfile.TarInfo("manifest.json")
    large.size = 70_000
    assert "its manifest has 70000 bytes" in refusal(large.tobuf(tarfile.GNU_FORMAT) + backup)


def test_a_newer_format_names_the_version_to_restore_it_with(backup: bytes) -> None:
    words = refusal(with_manifest(backup, format_version=backup_format.FORMAT_VERSION + 1, vecward="9.9"))
    assert "it was made by a newer vecward (9.9)" in words


def test_sizes_that_differ_are_refused(backup: bytes, manifest: BackupManifest) -> None:
    raw = backup.replace(
        f'"bytes": {manifest.database.bytes}'.encode(), f'"bytes": {manifest.database.bytes - 1}'.encode()
    )
    assert raw != backup
    assert "the size of its database is not what its manifest says" in refusal(raw)


def test_what_a_kill_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left, kept = backup_format.temporary(tmp_path, "restore"), tmp_path / "knowledge.db"
    for path in (left, left.with_name(left.name + "-wal"), kept):
        path.touch()
    backup_format.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]
