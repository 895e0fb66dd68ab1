"""The database in the file: made by us and left as we made it, or it isn't used."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION: Final = 0x494D4754
"""`IMGT`, in the header of the file."""

VERSION: Final = 1
"""Of what is below; a file of another version is set aside."""

_TABLE: Final = (
    "CREATE TABLE entry (key TEXT NOT NULL PRIMARY KEY, until REAL NOT NULL, used REAL NOT NULL, value BLOB NOT NULL)"
)
_BY_EXPIRY: Final = "CREATE INDEX entry_until ON entry (until)"
_BY_USE: Final = "CREATE INDEX entry_used ON entry (used)"
_SCHEMA: Final = [
    ("index", "entry_until", "entry", _BY_EXPIRY),
    ("index", "entry_used", "entry", _BY_USE),
    ("index", "sqlite_autoindex_entry_1", "entry", None),
    ("table", "entry", "entry", _TABLE),
]
_RECORD: Final = re.compile(rb"tableentryentry." + re.escape(_TABLE.encode()), re.DOTALL)  # of it in the schema
_PAGE: Final = 8192  # bytes: a listing or a bundle is some kilobytes, and two or three of them fit
_CACHE: Final = 512  # KiB a connection
_LOG_PAGES: Final = 512  # of the log, before they are brought into the file
_LOG_BYTES: Final = _PAGE * _LOG_PAGES  # that it is cut to
_SLACK: Final = 64 * 1024  # bytes of a row beside its value
_STEPS: Final = 100_000  # of SQLite's: what a schema of thousands of tables takes, and not what ours does
_PRIMARY: Final = 0xFF  # of an extended result code
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_ERROR,  # no such table, or not with these columns
        sqlite3.SQLITE_INTERNAL,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_NOTADB,
    }
)


class NotOurs(Exception):
    """Some other database, or ours with another schema."""


def has_our_table(content: bytes) -> bool:
    """Whether our table's record stands in a file, or in the log or journal of one."""
    return _RECORD.search(content) is not None


def is_damage(error: Exception) -> bool:
    """Whether an error says that a file isn't the database it should be, rather than that it can't be had now."""
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.ProgrammingError):
        return isinstance(error, (NotOurs, TypeError))  # a column that holds another type
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is None or code & _PRIMARY in _DAMAGE  # without a code: a text that is no UTF-8


def is_read_only(error: Exception) -> bool:
    """Whether it says that a database can't be written to."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY == sqlite3.SQLITE_READONLY


def is_busy(error: Exception) -> bool:
    """Whether somebody else had what was wanted: a database, or the folder."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY in _BUSY or isinstance(error, BlockingIOError)


def connect(path: Path, largest: int, busy: float, *, frozen: bool = False) -> sqlite3.Connection:
    """A connection to our database, made where the file is empty.

    Args:
        path: of a file that is there.
        largest: bytes of a value.
        busy: seconds to wait for others.
        frozen: nobody writes to it, and there is neither log nor index of it.

    Raises:
        NotOurs: it is some other database.
        sqlite3.Error: it is none, or can't be opened.
    """
    mode = "mode=ro&immutable=1" if frozen else "mode=rw"
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{mode}",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _SLACK)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(lambda: True, _STEPS)
        _prepare(connection)
        if _is_empty(connection):
            _make(connection)
        _check(connection)
        connection.set_progress_handler(None, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, largest + _SLACK)
        rows(connection, "SELECT 1 FROM entry LIMIT 1")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise NotOurs from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the pages that hold something: what values take, with what goes with them."""
    return (_number(connection, "page_count") - _number(connection, "freelist_count")) * _number(
        connection, "page_size"
    )


def file_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file."""
    return _number(connection, "page_count") * _number(connection, "page_size")


def give_back(connection: sqlite3.Connection, size: int) -> None:
    """Make the file so many bytes smaller, if it has as many free."""
    pages = -(-size // _number(connection, "page_size"))
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")  # a page a step, each without a row to fetch


def rows(connection: sqlite3.Connection, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Everything that a statement gives."""
    with closing(connection.execute(statement, values)) as cursor:
        return cursor.fetchall()


def _prepare(connection: sqlite3.Connection) -> None:
    """What holds for a connection. None of it reads the schema, which is anybody's until `_check`."""
    for pragma in (
        "trusted_schema=OFF",
        "cell_size_check=ON",
        "mmap_size=0",
        f"cache_size=-{_CACHE}",
        "temp_store=MEMORY",
        "secure_delete=OFF",  # to write zeros over what is freed doubles what is written
        f"journal_size_limit={_LOG_BYTES}",
        f"wal_autocheckpoint={_LOG_PAGES}",
        "synchronous=NORMAL",
    ):
        rows(connection, f"PRAGMA {pragma}")


def _is_empty(connection: sqlite3.Connection) -> bool:
    return not (_number(connection, "application_id") or rows(connection, "SELECT 1 FROM sqlite_master LIMIT 1"))


def _make(connection: sqlite3.Connection) -> None:
    """The table. Whoever comes second finds it made.

    It is in the file itself before there is a log, and with it whose file it is: a process that is killed takes that
    from nobody. The disk isn't waited for: what a loss of power leaves of a file so new is damaged, and set aside.
    """
    rows(connection, "PRAGMA synchronous=OFF")
    rows(connection, f"PRAGMA page_size={_PAGE}")
    rows(connection, "PRAGMA auto_vacuum=INCREMENTAL")
    rows(connection, "BEGIN IMMEDIATE")
    if _is_empty(connection):
        for statement in (_TABLE, _BY_EXPIRY, _BY_USE):
            rows(connection, statement)
        rows(connection, f"PRAGMA application_id={APPLICATION}")
        rows(connection, f"PRAGMA user_version={VERSION}")
    rows(connection, "COMMIT")
    rows(connection, "PRAGMA journal_mode=WAL")
    rows(connection, "PRAGMA synchronous=NORMAL")


def _check(connection: sqlite3.Connection) -> None:
    """Nothing but our table is there. A view or trigger would be somebody else's statements in ours."""
    if (_number(connection, "application_id"), _number(connection, "user_version")) != (APPLICATION, VERSION):
        raise NotOurs
    found = rows(connection, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2 LIMIT ?", 9)
    if sorted(found, key=str) != sorted(_SCHEMA, key=str):
        raise NotOurs
    if rows(connection, "PRAGMA journal_mode") != [("wal",)]:
        rows(connection, "PRAGMA journal_mode=WAL")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    ((number,),) = rows(connection, f"PRAGMA {pragma}")
    if not isinstance(number, int):
        raise NotOurs
    return number
