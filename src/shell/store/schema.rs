//! The tables of the history, and how an older file becomes one of today.
//!
//! Each object has the columns that people ask for and its whole image as JSON. Instants are
//! nanoseconds since 1970 in UTC, in columns named `…_ns`. The types and statements keep to what
//! PostgreSQL understands too.

use crate::shell::store::StoreError;
use rusqlite::Connection;

/// Marks the file as ours (`vigi` in ASCII), so that no other database is taken for a history.
const APPLICATION_ID: i64 = 0x7669_6769;

/// One step per version of the schema; the number of steps done is `user_version`. Steps are only
/// ever added.
const STEPS: &[&str] = &[VERSION_1, VERSION_2];

const VERSION_1: &str = "
CREATE TABLE progress (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    position BIGINT NOT NULL
);
INSERT INTO progress (one, position) VALUES (1, 0);

CREATE TABLE alarms (
    id                 TEXT PRIMARY KEY,
    position           BIGINT NOT NULL,
    ordinal            BIGINT NOT NULL,
    resource           TEXT NOT NULL,
    alarm_type         TEXT NOT NULL,
    qualifier          TEXT NOT NULL,
    perceived_severity TEXT NOT NULL,
    is_cleared         INTEGER NOT NULL,
    time_created_ns    BIGINT NOT NULL,
    last_raised_ns     BIGINT NOT NULL,
    last_changed_ns    BIGINT NOT NULL,
    occurrences        BIGINT NOT NULL,
    incident           TEXT,
    image              TEXT NOT NULL
);
CREATE INDEX alarms_by_resource ON alarms (resource, time_created_ns);
CREATE INDEX alarms_by_time ON alarms (time_created_ns);

CREATE TABLE incidents (
    id             TEXT PRIMARY KEY,
    position       BIGINT NOT NULL,
    ordinal        BIGINT NOT NULL,
    status         TEXT NOT NULL,
    severity       TEXT NOT NULL,
    root_resource  TEXT NOT NULL,
    opened_at_ns   BIGINT NOT NULL,
    restored_at_ns BIGINT,
    closed_at_ns   BIGINT,
    image          TEXT NOT NULL
);
CREATE INDEX incidents_by_time ON incidents (opened_at_ns);

CREATE TABLE tickets (
    number         TEXT PRIMARY KEY,
    position       BIGINT NOT NULL,
    ordinal        BIGINT NOT NULL,
    state          TEXT NOT NULL,
    confirmed      INTEGER NOT NULL,
    incident       TEXT NOT NULL,
    contract       TEXT,
    customer       TEXT,
    severity       TEXT NOT NULL,
    opened_at_ns   BIGINT NOT NULL,
    restored_at_ns BIGINT,
    closed_at_ns   BIGINT,
    elapsed_s      BIGINT NOT NULL,
    gtr_target_s   BIGINT,
    image          TEXT NOT NULL
);
CREATE INDEX tickets_by_contract ON tickets (contract, opened_at_ns);
CREATE INDEX tickets_by_incident ON tickets (incident);

CREATE TABLE ticket_times (
    number        TEXT NOT NULL,
    place         BIGINT NOT NULL,
    name          TEXT NOT NULL,
    value_ns      BIGINT,
    author        TEXT NOT NULL,
    reason        TEXT NOT NULL,
    entered_at_ns BIGINT NOT NULL,
    PRIMARY KEY (number, place)
);

CREATE TABLE resources (
    name           TEXT PRIMARY KEY,
    position       BIGINT NOT NULL,
    ordinal        BIGINT NOT NULL,
    device         TEXT NOT NULL,
    is_known       INTEGER NOT NULL,
    state          TEXT NOT NULL,
    first_heard_ns BIGINT,
    image          TEXT NOT NULL
);
CREATE INDEX resources_by_device ON resources (device);
";

/// What is too old is found by its age.
const VERSION_2: &str = "CREATE INDEX tickets_by_time ON tickets (opened_at_ns);";

/// Brings the file to the schema of today, each step whole or not at all.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let pragma = |connection: &Connection, name: &str| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, name, |row| row.get(0))
    };
    let version = pragma(connection, "user_version")?;
    let application = pragma(connection, "application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (tables > 0 || version != 0) {
        return Err(StoreError::NotOurs);
    }
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(StoreError::TooNew { version, known });
    }
    let done = usize::try_from(version).map_err(|_| StoreError::NotOurs)?;
    for (step, target) in STEPS.iter().zip(1_i64..).skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", target)?;
        transaction.commit()?;
    }
    Ok(())
}
