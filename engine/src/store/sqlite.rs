//! SQLite, spoken to directly. Every statement of sqlx's driver is handed to a thread and back, which costs more than the
//! statement (decision record 0007): here a transaction runs on the writer's thread as a whole, and an indexed read runs
//! where it is asked for.

use std::{
    cell::Cell,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags, Statement, ToSql,
    config::DbConfig,
    types::{ToSqlOutput, ValueRef},
};
use sea_orm::{DbErr, Value};

use super::row::Row;

/// How long another process that holds the write lock is waited for.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements kept by each connection; there are about a hundred.
const STATEMENTS: usize = 200;

/// From so many pages on the write-ahead log is moved into the database. Meanwhile commits wait for the same disk, so it
/// is done three times less often than SQLite would by itself.
const LONG_LOG: i32 = 3_000;

/// The length of the log's file, in bytes: what is written until the log begins anew, a few commits beyond [`LONG_LOG`]
/// pages of 4 kB and their headers.
const LAID_OUT: u64 = 16 << 20;

thread_local! {
    /// How many pages the write-ahead log had after the last commit of this thread.
    static LOG_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// A database file, and the connections that read it.
pub(crate) struct File {
    path: PathBuf,
    /// Readers that nobody uses now; as many are opened as read at once.
    readers: Mutex<Vec<Connection>>,
}

impl File {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            readers: Mutex::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The connection that writes. A commit is on disk before it is reported, also through a power cut
    /// (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
    pub(crate) fn open_writer(&self) -> Result<Writing, DbErr> {
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST;
                    BEGIN IMMEDIATE; COMMIT",
            )
            .map_err(refused)?;
        // Takes the place of SQLite's own checkpoints, for which a commit would have to wait.
        connection.wal_hook(Some(|_, pages| {
            LOG_PAGES.set(pages);
            Ok(())
        }));
        Ok(Writing {
            connection: Mutex::new(connection),
            mover: self.start_moving()?,
        })
    }

    /// Makes the write-ahead log's file as long as the log becomes. A commit that makes it longer waits for the file
    /// system's own journal besides, three times as long as one that writes over what is there. Bytes after the log's
    /// last frame mean nothing: their checksums are wrong (<https://www.sqlite.org/fileformat2.html#walformat>). They are
    /// appended, so they never fall upon a frame that is written meanwhile.
    fn lay_out_log(path: &Path) -> std::io::Result<()> {
        let mut name = path.to_owned().into_os_string();
        name.push("-wal");
        let mut log = fs::OpenOptions::new()
            .append(true)
            .open(PathBuf::from(name))?;
        let missing = LAID_OUT.saturating_sub(log.metadata()?.len());
        std::io::copy(&mut std::io::repeat(0).take(missing), &mut log)?;
        log.sync_all()
    }

    /// A thread that lays the write-ahead log out, and moves it into the database when it is told to, beside commits
    /// rather than within one. It ends with its teller.
    fn start_moving(&self) -> Result<Mover, DbErr> {
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let (tell, told) = mpsc::sync_channel::<()>(1);
        let (moved, mover) = mpsc::sync_channel(1);
        let path = self.path.clone();
        std::thread::Builder::new()
            .name("sqlite-log".to_owned())
            .spawn(move || {
                if let Err(error) = Self::lay_out_log(&path) {
                    tracing::debug!(%error, "the write-ahead log is not laid out; commits take longer while it grows");
                }
                for () in told {
                    move_log(&connection);
                    if moved.send(()).is_err() {
                        return;
                    }
                }
            })
            .map_err(|error| DbErr::Custom(error.to_string()))?;
        Ok(Mover {
            tell,
            moved: Mutex::new(mover),
            is_moving: AtomicBool::new(false),
        })
    }

    /// Reads where it is called: an indexed read takes tens of microseconds, less than handing it to another thread. WAL
    /// lets it read while the writer writes.
    pub(crate) fn read(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbErr> {
        let idle = self.readers().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let rows = query(&reader, sql, values);
        self.readers().push(reader);
        rows
    }

    fn open(&self, access: OpenFlags) -> Result<Connection, DbErr> {
        // No mutex within SQLite: a connection is used by one thread at a time.
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(refused)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(refused)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Else a statement is compiled anew whenever a bound number might change its plan: every time, for a cursor.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(refused)?;
        Ok(connection)
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection that writes.
pub(crate) struct Writing {
    /// Never waited for: one thread has it.
    connection: Mutex<Connection>,
    mover: Mover,
}

/// The thread that moves the log, as its teller sees it.
struct Mover {
    tell: SyncSender<()>,
    moved: Mutex<Receiver<()>>,
    is_moving: AtomicBool,
}

impl Writing {
    pub(crate) fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, DbErr> {
        execute(&self.connection(), sql, values)
    }

    pub(crate) fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbErr> {
        query(&self.connection(), sql, values)
    }

    /// To be called after commits. A long log is moved into the database by the other thread; what was committed
    /// meanwhile, which is little, by this one, so that the log begins anew.
    pub(crate) fn tidy(&self) {
        let mover = &self.mover;
        if mover.is_moving.load(Ordering::Relaxed) {
            let moved = mover.moved.lock().unwrap_or_else(PoisonError::into_inner);
            if moved.try_recv().is_ok() {
                move_log(&self.connection());
                mover.is_moving.store(false, Ordering::Relaxed);
            }
        } else if LOG_PAGES.take() >= LONG_LOG {
            mover
                .is_moving
                .store(mover.tell.try_send(()).is_ok(), Ordering::Relaxed);
        }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves as much of the log as nobody reads into the database; waits for no lock.
fn move_log(connection: &Connection) {
    if let Err(error) = query(connection, "PRAGMA wal_checkpoint(PASSIVE)", &[]) {
        tracing::warn!(%error, "the write-ahead log was not moved into the database");
    }
}

fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64, DbErr> {
    let mut statement = prepare(connection, sql, values)?;
    let changed = statement.raw_execute().map_err(refused)?;
    Ok(changed as u64)
}

fn query(connection: &Connection, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbErr> {
    let mut statement = prepare(connection, sql, values)?;
    let columns: Arc<[String]> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut found = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(refused)? {
        let values = (0..columns.len())
            .map(|place| row.get(place))
            .collect::<Result<_, _>>()
            .map_err(refused)?;
        rows.push(Row::of_sqlite(Arc::clone(&columns), values));
    }
    Ok(rows)
}

fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
    values: &[Value],
) -> Result<rusqlite::CachedStatement<'c>, DbErr> {
    let mut statement = connection.prepare_cached(sql).map_err(refused)?;
    bind(&mut statement, values)?;
    Ok(statement)
}

/// Binds `$n` to the n-th value. To SQLite `$n` is a name, and what it counts is first appearances.
fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<(), DbErr> {
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or_default();
        let place: Option<usize> = name.strip_prefix('$').and_then(|n| n.parse().ok());
        let value = place
            .and_then(|place| values.get(place.checked_sub(1)?))
            .ok_or_else(|| DbErr::Custom(format!("parameter {name} has no value")))?;
        statement
            .raw_bind_parameter(index, Bound(value))
            .map_err(refused)?;
    }
    Ok(())
}

/// A value of a statement, as sqlx's driver would bind it.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self.0 {
            Value::Bool(value) => value.map(|value| ValueRef::Integer(value.into())),
            Value::SmallInt(value) => value.map(|value| ValueRef::Integer(value.into())),
            Value::Int(value) => value.map(|value| ValueRef::Integer(value.into())),
            Value::BigInt(value) => value.map(ValueRef::Integer),
            Value::Unsigned(value) => value.map(|value| ValueRef::Integer(value.into())),
            Value::BigUnsigned(value) => value
                .map(i64::try_from)
                .transpose()
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?
                .map(ValueRef::Integer),
            Value::Double(value) => value.map(ValueRef::Real),
            Value::String(value) => value.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Value::Bytes(value) => value.as_ref().map(|bytes| ValueRef::Blob(bytes)),
            Value::Uuid(value) => value.as_ref().map(|id| ValueRef::Blob(id.as_bytes())),
            other => {
                let reason = format!("the store does not write {other:?}");
                return Err(rusqlite::Error::ToSqlConversionFailure(reason.into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

fn refused(error: rusqlite::Error) -> DbErr {
    DbErr::Custom(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: &[Row]) -> Vec<i64> {
        rows.iter().map(|row| row.get("n").unwrap()).collect()
    }

    #[test]
    fn what_was_committed_is_read_through_every_way_of_tidying_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        Connection::open(&path).unwrap();
        let file = File::new(&path);
        for round in 0..3 {
            let writing = file.open_writer().unwrap();
            File::lay_out_log(&path).unwrap();
            let log = fs::metadata(folder.path().join("store.db-wal")).unwrap();
            assert!(log.len() >= LAID_OUT, "{}", log.len());
            let sql = "CREATE TABLE IF NOT EXISTS t (n INTEGER, body BLOB)";
            writing.execute(sql, &[]).unwrap();
            for row in 0..50_i64 {
                let values = [(round * 50 + row).into(), vec![1_u8; 300_000].into()];
                let sql = "INSERT INTO t (body, n) VALUES ($2, $1)";
                assert_eq!(writing.execute(sql, &values).unwrap(), 1);
                writing.tidy();
            }
            let read = file.read("SELECT n FROM t ORDER BY n", &[]).unwrap();
            assert_eq!(numbers(&read), (0..(round + 1) * 50).collect::<Vec<_>>());
        }
    }

    /// Commits that never pause must not make the log grow without end.
    #[test]
    fn the_log_begins_anew_while_commits_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        Connection::open(&path).unwrap();
        let writing = File::new(&path).open_writer().unwrap();
        writing.execute("CREATE TABLE t (body BLOB)", &[]).unwrap();
        writing
            .execute("INSERT INTO t VALUES ($1)", &[vec![1_u8; 200_000].into()])
            .unwrap();
        let mut longest = 0;
        for round in 0..1_000_u32 {
            let body = vec![u8::try_from(round % 256).unwrap(); 200_000];
            writing
                .execute("UPDATE t SET body = $1", &[body.into()])
                .unwrap();
            longest = longest.max(LOG_PAGES.get());
            writing.tidy();
        }
        // Fifty thousand pages were written.
        assert!((LONG_LOG..40_000).contains(&longest), "{longest}");
    }

    #[test]
    fn a_statement_that_lacks_a_value_or_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        Connection::open(&path).unwrap();
        let file = File::new(&path);
        let read = file.read("SELECT $2 AS n", &[1.into()]).map(drop);
        assert!(read.unwrap_err().to_string().contains("$2 has no value"));
        assert!(file.read("SELEKT 1", &[]).is_err());
        assert!(
            file.read("CREATE TABLE t (n)", &[]).is_err(),
            "a reader writes"
        );
    }
}
