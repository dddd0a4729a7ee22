//! Words that mean one thing in a shop, in `synonyms.yaml`:
//!
//! ```yaml
//! en:
//!   - [tent, bothy]
//!   - [head torch, headlamp]
//! ```
//!
//! They stand beside those that come with the program.

use doorstep_core::{ConfigFiles, Language, Problem};
use serde_saphyr::Spanned;

use crate::{templates::language_tag, yaml};

/// Where they stand.
const FILE: &str = "synonyms.yaml";

/// The groups of terms of `synonyms.yaml`; none where there is no such file.
///
/// # Errors
/// What is no group, with its line.
pub fn load(files: &ConfigFiles) -> Result<Vec<(Language, Vec<String>)>, Vec<Problem>> {
    let Some(text) = files.get(FILE) else {
        return Ok(Vec::new());
    };
    let entries: yaml::Entries<Vec<Spanned<Vec<String>>>> =
        yaml::read(FILE, text).map_err(|problem| vec![problem])?;
    let (mut groups, mut problems) = (Vec::new(), Vec::new());
    for (tag, terms) in entries.0 {
        let language = match language_tag(FILE, &tag.value) {
            Ok(language) => language.parse::<Language>().unwrap_or(Language::ENGLISH),
            Err(problem) => {
                problems.push(Problem {
                    line: yaml::line(&tag),
                    field: tag.value,
                    ..problem
                });
                continue;
            }
        };
        for group in terms {
            let is_pair = group.value.len() > 1;
            if is_pair && group.value.iter().all(|term| !term.trim().is_empty()) {
                groups.push((language.clone(), group.value));
                continue;
            }
            problems.push(Problem {
                file: FILE.to_owned(),
                line: yaml::line(&group),
                field: language.to_string(),
                message: "a group has fewer than two terms, or an empty one".into(),
                fix: "write what means one thing like `- [tent, bothy]`".into(),
            });
        }
    }
    match problems.is_empty() {
        true => Ok(groups),
        false => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<(Language, Vec<String>)>, Vec<Problem>> {
        load(&ConfigFiles::new([(FILE, text)]))
    }

    #[test]
    fn groups_are_read_by_language() {
        let groups = of("en:\n  - [tent, bothy]\nes:\n  - [mochila, macuto, petate]\n").unwrap();
        let told: Vec<(String, usize)> = groups
            .iter()
            .map(|(language, terms)| (language.to_string(), terms.len()))
            .collect();
        assert_eq!(told, [("en".to_owned(), 2), ("es".to_owned(), 3)]);
        assert!(load(&ConfigFiles::default()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_group_is_named_with_its_line() {
        let problems =
            of("en:\n  - [tent, bothy]\n  - [alone]\nxx-nothing-:\n  - [a, b]\n").unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(
            told[0].starts_with("synonyms.yaml:3: en: a group has fewer"),
            "{told:?}"
        );
        assert!(
            told[1].starts_with("synonyms.yaml:4: xx-nothing-"),
            "{told:?}"
        );
    }
}
