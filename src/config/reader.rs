//! Reads sections, and goes on behind a mistake, so that one run names them all.

use std::collections::BTreeSet;

use doorstep_core::Problem;
use figment::{
    error::{Actual, Kind},
    providers::Env,
    value::{Dict, Value},
};
use serde::de::DeserializeOwned;

use super::{
    Located, layers,
    locate::{self, Mistake},
};

/// Reads sections and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    file: &'a Located<'a>,
    environment: Option<&'a Env>,
    settings: Dict,
    defaults: Dict,
    /// Values that stand in files of their own.
    from_files: &'a BTreeSet<Vec<String>>,
    problems: Vec<Problem>,
    mistaken: BTreeSet<String>,
}

/// What reading found.
pub(super) struct Found {
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// The sections in which something is.
    pub(super) mistaken: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// Reads in `settings`, which hold what stands in `from_files`.
    pub(super) fn new(
        file: &'a Located<'a>,
        environment: Option<&'a Env>,
        settings: Dict,
        from_files: &'a BTreeSet<Vec<String>>,
    ) -> Self {
        Self {
            file,
            environment,
            settings,
            defaults: layers::defaults(),
            from_files,
            problems: Vec::new(),
            mistaken: BTreeSet::new(),
        }
    }

    /// What was found.
    pub(super) fn found(self) -> Found {
        Found {
            problems: self.problems,
            mistaken: self.mistaken,
        }
    }

    /// A section. After a mistake, what is wrong is put aside; `None` where nothing can be read then.
    pub(super) fn value<T: DeserializeOwned>(&mut self, section: &str) -> Option<T> {
        self.section(vec![section.to_owned()])
    }

    /// A table of tables: each is read on its own.
    pub(super) fn named<T: DeserializeOwned>(&mut self, section: &str) -> Vec<(String, T)> {
        let table = self.settings.get(section).and_then(Value::as_dict);
        let names: Vec<String> = table
            .map(|table| table.keys().cloned().collect())
            .unwrap_or_default();
        names
            .into_iter()
            .filter_map(|name| {
                let value = self.section(vec![section.to_owned(), name.clone()])?;
                Some((name, value))
            })
            .collect()
    }

    fn section<T: DeserializeOwned>(&mut self, section: Vec<String>) -> Option<T> {
        let mut told: Vec<Mistake> = Vec::new();
        loop {
            let Some(value) = layers::at(&self.settings, &section) else {
                // The defaults have every section, so a mistake was told that left nothing of this one; else it is told now.
                if told.is_empty() {
                    let missing = Kind::MissingField(section.join(".").into());
                    let nowhere = Vec::new();
                    self.tell(&locate::mistake(
                        &missing,
                        nowhere,
                        self.file,
                        self.from_files,
                    ));
                }
                return None;
            };
            let error = match value.deserialize::<T>() {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let path = [section.as_slice(), error.path.as_slice()].concat();
            if self.is_text_after_all(&error.kind, &path) {
                continue;
            }
            let mistake = locate::mistake(&error.kind, path, self.file, self.from_files);
            let is_new = !told.iter().any(|known| mistake.follows_from(known));
            if is_new {
                self.tell(&mistake);
            }
            if !self.put_aside(&mistake, is_new, section.len()) {
                return None;
            }
            told.push(mistake);
        }
    }

    fn tell(&mut self, mistake: &Mistake) {
        self.mistaken.insert(section_of(&mistake.path));
        self.problems.push(mistake.problem.clone());
    }

    /// Variables and flags are read as numbers and lists where they look like ones, and a secret of digits does. Where text is
    /// wanted, it is what was written.
    fn is_text_after_all(&mut self, kind: &Kind, path: &[String]) -> bool {
        let Kind::InvalidType(found, wanted) = kind else {
            return false;
        };
        if matches!(found, Actual::Str(_)) || !locate::is_text(wanted) {
            return false;
        }
        let text = layers::text_of(path, self.environment, self.file.sources);
        text.is_some_and(|text| layers::set(&mut self.settings, path, Some(text.into())))
    }

    /// Has the section read as if the mistake were not made: by the default, or without the key, or without the table that
    /// cannot be read without it. Whether something of the section is left.
    fn put_aside(&mut self, mistake: &Mistake, is_new: bool, section: usize) -> bool {
        let mut path = mistake.path.clone();
        let default = layers::at(&self.defaults, &path).cloned();
        if is_new && !mistake.is_missing && layers::set(&mut self.settings, &path, default) {
            return true;
        }
        while path.len() > section + 1 {
            path.pop();
            if layers::set(&mut self.settings, &path, None) {
                return true;
            }
        }
        false
    }
}

/// The section of a path; each channel and each source has its own.
pub(super) fn section_of(path: &[String]) -> String {
    let depth = match path.first().map(String::as_str) {
        Some("channels" | "commerce") => 2,
        _ => 1,
    };
    path[..path.len().min(depth)].join(".")
}
