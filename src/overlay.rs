//! A merchant's own folder, which is laid over the built-in files.

use std::{
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
};

use doorstep_core::{ConfigFiles, Problem};

use crate::config::suggest;

/// What is read of a merchant's folder: each folder, and how its files end.
const FOLDERS: [(&str, &[&str]); 7] = [
    ("flows", &["yaml"]),
    ("glossary", &["yaml"]),
    ("intents", &["yaml"]),
    ("knowledge", &["md", "html"]),
    ("replies", &["yaml"]),
    ("rules", &["yaml"]),
    ("templates", &["md"]),
];

/// And the files beside the folders.
const FILES: [&str; 2] = ["synonyms.yaml", "taxonomy.yaml"];

/// How files end that people write words and settings in; of any other nobody expects that it is read.
const WRITTEN: [&str; 7] = ["yaml", "yml", "md", "markdown", "txt", "html", "htm"];

/// Whether a file of a merchant's folder is read, by its name.
pub(crate) fn is_merchant_file(path: &Path) -> bool {
    let read = ["yaml", "md", "html"];
    path.extension()
        .is_some_and(|extension| read.iter().any(|read| extension == *read))
}

/// The files below `folder`, by their paths in it. Windows' line ends and byte order marks are left out, so that files read
/// alike wherever they were written.
///
/// # Errors
/// The first file or folder that cannot be read.
pub(crate) fn read(folder: &Path) -> Result<ConfigFiles, Problem> {
    let mut files = ConfigFiles::default();
    for (name, path) in listed(folder)? {
        if !is_merchant_file(&path) {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&name, &error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let read = error.utf8_error().valid_up_to();
            let lines = error.as_bytes().iter().take(read);
            Problem {
                line: lines.filter(|byte| **byte == b'\n').count() + 1,
                ..unreadable(&name, &ErrorKind::InvalidData.into())
            }
        })?;
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        files.files.insert(name, text);
    }
    Ok(files)
}

/// Files of the folder that look as if they were to be read, and are not: whoever wrote them would wait in vain.
pub(crate) fn unread(folder: &Path) -> Vec<Problem> {
    let listed = listed(folder).unwrap_or_default();
    let found = listed.iter().filter_map(|(name, path)| {
        let problem = why_unread(name)?;
        Some(Problem {
            file: path.display().to_string(),
            ..problem
        })
    });
    found.collect()
}

fn why_unread(name: &str) -> Option<Problem> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let (stem, end) = file.rsplit_once('.')?;
    let is_note = stem.is_empty() || stem.eq_ignore_ascii_case("readme");
    if is_note || !WRITTEN.contains(&end) || FILES.contains(&name) {
        return None;
    }
    let problem = |message: String, fix: String| Problem {
        file: name.to_owned(),
        line: 0,
        field: "file name".to_owned(),
        message,
        fix,
    };
    let Some((folder, _)) = name.split_once('/') else {
        return Some(problem(
            "this file is not read".to_owned(),
            format!(
                "move it to its folder ({}), or name it as one of {}",
                FOLDERS.map(|(folder, _)| folder).join(", "),
                FILES.join(", ")
            ),
        ));
    };
    match FOLDERS.iter().find(|(known, _)| *known == folder) {
        None => Some(problem(
            format!("this file is not read: nothing is, in a folder `{folder}`"),
            suggest(folder, &FOLDERS.map(|(folder, _)| folder)),
        )),
        Some((_, ends)) if !ends.contains(&end) => Some(problem(
            format!(
                "this file is not read: those in {folder}/ end in .{}",
                ends.join(" or .")
            ),
            format!("name it {stem}.{}", ends.first().unwrap_or(&"yaml")),
        )),
        Some(_) => None,
    }
}

/// All files below `folder` but hidden ones, with their paths in it, `/` between parts.
fn listed(folder: &Path) -> Result<Vec<(String, PathBuf)>, Problem> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder_at) = folders.pop() {
        let shown = folder_at.display().to_string();
        let entries = std::fs::read_dir(&folder_at).map_err(|error| unreadable(&shown, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&shown, &error))?;
            // What editors and version control keep for themselves.
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path);
            found.push((name.to_string_lossy().replace('\\', "/"), path));
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(file: &str, error: &Error) -> Problem {
    let (message, fix) = match error.kind() {
        ErrorKind::InvalidData => (
            "this is not UTF-8".to_owned(),
            "save the file in the encoding UTF-8, which editors offer at \"Save as\"",
        ),
        _ => (
            format!("it cannot be read: {error}"),
            "check that it is there, and that this program may read it",
        ),
    };
    Problem {
        file: file.to_owned(),
        line: 0,
        field: String::new(),
        message,
        fix: fix.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_no_finding_and_what_only_looks_like_it_is() {
        for name in [
            "rules/limits.yaml",
            "templates/shipped.en.md",
            "knowledge/en/returns.html",
            "synonyms.yaml",
            "README.md",
            "rules/limits.yaml~",
            "knowledge/en/picture.png",
        ] {
            assert_eq!(why_unread(name), None, "{name}");
        }
        for (name, fix) in [
            ("rules/limits.yml", "name it limits.yaml"),
            ("templates/shipped.en.txt", "name it shipped.en.md"),
            ("rule/limits.yaml", "did you mean `rules`?"),
            ("limits.yaml", "move it to its folder"),
        ] {
            let found = why_unread(name).unwrap_or_else(|| panic!("{name} is not read"));
            assert_eq!(found.file, name);
            assert!(found.fix.starts_with(fix), "{name}: {}", found.fix);
        }
    }
}
