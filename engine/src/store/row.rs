//! Reading rows and writing values in the store's conventions.

use std::sync::Arc;

use chrono_tz::Tz;
use doorstep_core::Timestamp;
use rusqlite::types::{FromSql, ValueRef};
use sea_orm::{DbErr, QueryResult, TryGetable, Value};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// One row, read by column name.
pub struct Row(Kind);

enum Kind {
    Sqlite {
        columns: Arc<[String]>,
        values: Vec<rusqlite::types::Value>,
    },
    Postgres(QueryResult),
}

/// What a column can be read as, from either database.
pub trait Column: TryGetable + FromSql {}

impl<T: TryGetable + FromSql> Column for T {}

impl Row {
    /// `values` stand in the order of `columns`.
    pub(super) fn of_sqlite(columns: Arc<[String]>, values: Vec<rusqlite::types::Value>) -> Self {
        Self(Kind::Sqlite { columns, values })
    }

    pub(super) fn of_postgres(row: QueryResult) -> Self {
        Self(Kind::Postgres(row))
    }

    /// A column as the database's own type.
    ///
    /// # Errors
    /// There is no such column, or it holds something else.
    pub fn get<T: Column>(&self, column: &str) -> Result<T, DbErr> {
        match &self.0 {
            Kind::Postgres(row) => row.try_get("", column),
            Kind::Sqlite { columns, values } => {
                let place = columns.iter().position(|name| name == column);
                let value = place
                    .and_then(|place| values.get(place))
                    .ok_or_else(|| unreadable(column, "no such column"))?;
                T::column_result(ValueRef::from(value)).map_err(|error| unreadable(column, error))
            }
        }
    }

    /// A column of milliseconds as an instant.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, DbErr> {
        let millis: i64 = self.get(column)?;
        Timestamp::from_timestamp_millis(millis).ok_or_else(|| unreadable(column, "not an instant"))
    }

    /// A column of milliseconds or NULL as an instant.
    pub(crate) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, DbErr> {
        let millis: Option<i64> = self.get(column)?;
        Ok(millis.and_then(Timestamp::from_timestamp_millis))
    }

    /// A column of JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, DbErr> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| unreadable(column, error))
    }

    /// A column of JSON or NULL.
    pub(crate) fn optional_json<T: DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, DbErr> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(column, error)))
            .transpose()
    }

    /// A column of text or NULL that parses as `T`.
    pub(crate) fn optional_parsed<T: std::str::FromStr>(
        &self,
        column: &str,
    ) -> Result<Option<T>, DbErr>
    where
        T::Err: std::fmt::Display,
    {
        let text: Option<String> = self.get(column)?;
        text.map(|text| text.parse().map_err(|error| unreadable(column, error)))
            .transpose()
    }

    /// A time zone column.
    pub(crate) fn time_zone(&self, column: &str) -> Result<Option<Tz>, DbErr> {
        self.optional_parsed(column)
    }
}

fn unreadable(column: &str, reason: impl std::fmt::Display) -> DbErr {
    DbErr::Type(format!(
        "column {column} holds something this version cannot read: {reason}"
    ))
}

/// An instant as the store keeps it.
pub(crate) fn at(time: Timestamp) -> Value {
    time.timestamp_millis().into()
}

/// A value as JSON text.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<Value, DbErr> {
    let text = serde_json::to_string(value)
        .map_err(|error| DbErr::Custom(format!("a value cannot be written as JSON: {error}")))?;
    Ok(text.into())
}

/// A value or NULL as JSON text.
pub(crate) fn optional_json<T: Serialize>(value: Option<&T>) -> Result<Value, DbErr> {
    value.map_or(Ok(Value::String(None)), json)
}

/// Anything with a textual form, or NULL.
pub(crate) fn optional_text(value: Option<impl ToString>) -> Value {
    Value::String(value.map(|value| value.to_string()))
}

/// An identifier or NULL.
pub(crate) fn optional_uuid(value: Option<Uuid>) -> Value {
    Value::Uuid(value)
}

/// Appends `($1, $2), ($3, $4)` for `rows` rows of `columns` values.
pub(crate) fn placeholders(sql: &mut String, rows: usize, columns: usize) {
    use std::fmt::Write;
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let separator = if column == 0 { "" } else { ", " };
            // Writing into a String cannot fail.
            let _ = write!(sql, "{separator}${}", row * columns + column + 1);
        }
        sql.push(')');
    }
}
