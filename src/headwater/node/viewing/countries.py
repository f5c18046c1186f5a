"""Where viewers are: a country by address, from a MaxMind-format database file.

Source: MaxMind DB File Format Specification 2.0. Read are the country databases of MaxMind and
DB-IP (`country.iso_code`) and those of IPinfo (`country_code`, or a `country` of two letters).

The file is kept in memory: one that is written over while it is read harms nothing then. It
is read again when it changes; one that cannot be used leaves the old one in force, with one
warning for each state of the file.
"""

import io
import ipaddress
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from headwater.core.errors import OperatorError

SETTING = "playback.country_database_file"
MAX_FILE_BYTES = 1 << 30
"""The largest databases, of cities, have about 100 MB."""
REMEMBERED = 10_000
"""Addresses looked up lately; a strict policy asks for each request. Below 1 kB each."""

log = structlog.get_logger(__name__)


class CountryDatabase:
    """The file in force; without a file every country is unknown."""

    def __init__(self, file: str) -> None:
        """Read the file.

        Args:
            file: its path; "": none.

        Raises:
            OperatorError: it cannot be used.
        """
        self._path = Path(file) if file else None
        self._seen = self._stamp()
        self._look_up = _look_up_in(self._path) if self._path else _unknown

    def country(self, address: str) -> str | None:
        """The ISO 3166-1 alpha-2 code of where that address is; None: unknown."""
        return self._look_up(address)

    def reload_if_changed(self) -> bool:
        """Look at the file; whether a new one is in force now."""
        stamp = self._stamp()
        if self._path is None or stamp == self._seen:
            return False
        self._seen = stamp
        try:
            self._look_up = _look_up_in(self._path)
        except OperatorError as error:
            log.warning("changed country database not used, the old one stays", error=str(error))
            return False
        log.info("country database reloaded", file=str(self._path))
        return True

    def _stamp(self) -> tuple[int, int, int] | None:
        """What tells one state of the file from another."""
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_ino, status.st_size) if status else None


def _unknown(_: str) -> str | None:
    return None


def _look_up_in(path: Path) -> Any:  # noqa: ANN401 - a cached function has no name of its own
    import maxminddb  # noqa: PLC0415 - only where there is a file

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _refusal(path, f"it has more than {MAX_FILE_BYTES} bytes")
        reader = maxminddb.open_database(io.BytesIO(path.read_bytes()), maxminddb.MODE_FD)
        # A file that was cut ends in the middle of what it says of itself, or before a record.
        _country_of(reader.get("192.0.2.1"))
    except OSError as error:
        raise _refusal(path, error.strerror or "cannot be read") from None
    except (maxminddb.InvalidDatabaseError, ValueError, TypeError, KeyError, IndexError):
        raise _refusal(path, "is not a database in MaxMind's format") from None

    @lru_cache(REMEMBERED)
    def look_up(address: str) -> str | None:
        try:
            found = ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            return None
        known = getattr(found, "ipv4_mapped", None) or found
        try:
            return _country_of(reader.get(known))
        except (maxminddb.InvalidDatabaseError, ValueError):
            return None  # damaged here, or an IPv6 address in a database of IPv4

    return look_up


def _country_of(record: Any) -> str | None:  # noqa: ANN401 - whatever the file holds
    if not isinstance(record, dict):
        return None
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else record.get("country_code")
    code = code or country
    return code if isinstance(code, str) and len(code) == 2 else None  # noqa: PLR2004


def _refusal(path: Path, reason: str) -> OperatorError:
    return OperatorError(f"{SETTING} = {str(path)!r}: {reason}")
