//! The sections of a Markdown file: what stands below each heading.
//!
//! Headings are read in both forms, `## Refunds` and a line that is underlined with `===` or `---`. Nothing within a code
//! fence is one.

/// Longest passage that is indexed as one, in characters; longer ones are parted between paragraphs.
const MAX_PASSAGE: usize = 1200;
/// What a line begins with that cannot be underlined: a quotation, an item of a list, a row of a table, code.
const NO_HEADING: [&str; 8] = [">", "- ", "* ", "+ ", "|", "```", "    ", "\t"];

/// A heading and what stands below it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Section {
    /// Empty for what stands before the first heading.
    pub(super) title: String,
    pub(super) body: String,
}

impl Section {
    /// Itself, or several of the same title when it is too long to be quoted.
    pub(super) fn parted(self) -> Vec<Self> {
        let mut parts: Vec<String> = Vec::new();
        for paragraph in self.body.split("\n\n") {
            match parts.last_mut() {
                Some(part) if part.chars().count() + paragraph.chars().count() <= MAX_PASSAGE => {
                    part.push_str("\n\n");
                    part.push_str(paragraph);
                }
                _ => parts.push(paragraph.to_owned()),
            }
        }
        let section = |body| Self {
            title: self.title.clone(),
            body,
        };
        parts.into_iter().map(section).collect()
    }
}

/// What a Markdown file says.
#[derive(Debug, PartialEq)]
pub(super) struct Document {
    /// Its first heading, where that is of the highest level and so stands for the whole.
    pub(super) title: Option<String>,
    /// The sections that have text.
    pub(super) sections: Vec<Section>,
}

impl Document {
    pub(super) fn read(markdown: &str) -> Self {
        let lines: Vec<&str> = markdown.lines().collect();
        let mut title = None;
        let mut sections = vec![Section {
            title: String::new(),
            body: String::new(),
        }];
        let (mut fenced, mut place) = (false, 0);
        while let Some(line) = lines.get(place) {
            fenced ^= line.trim_start().starts_with("```");
            let found = heading(line).map(|found| (found, 1));
            let found = found.or_else(|| {
                let above = sections
                    .last()
                    .and_then(|section| section.body.lines().next_back());
                Some((underlined(above, line, lines.get(place + 1)?)?, 2))
            });
            if let Some((heading, taken)) = found.filter(|_| !fenced) {
                let is_first = sections.len() == 1;
                if is_first && heading.level == 1 && !heading.title.is_empty() {
                    title = Some(heading.title.to_owned());
                }
                sections.push(Section {
                    title: heading.title.to_owned(),
                    body: String::new(),
                });
                place += taken;
                continue;
            }
            if let Some(section) = sections.last_mut() {
                section.body.push_str(line);
                section.body.push('\n');
            }
            place += 1;
        }
        for section in &mut sections {
            section.body = section.body.trim().to_owned();
        }
        sections.retain(|section| !section.body.is_empty());
        Self { title, sections }
    }
}

struct Heading<'a> {
    level: usize,
    title: &'a str,
}

/// `## Refunds`
fn heading(line: &str) -> Option<Heading<'_>> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    ((1..=6).contains(&level) && title.starts_with(' ')).then(|| Heading {
        level,
        title: title.trim(),
    })
}

/// A paragraph of one line, and below it one of nothing but `=` or `-`.
fn underlined<'a>(above: Option<&str>, line: &'a str, below: &str) -> Option<Heading<'a>> {
    let marks = below.trim_end();
    let level = [('=', 1), ('-', 2)]
        .into_iter()
        .find_map(|(mark, level)| marks.chars().all(|c| c == mark).then_some(level))?;
    let is_rule = line.chars().all(|c| "-=*_ ".contains(c));
    let is_plain = NO_HEADING.iter().all(|start| !line.starts_with(start));
    let is_alone = above.is_none_or(|above| above.trim().is_empty());
    (marks.len() >= 3 && is_plain && is_alone && !is_rule).then(|| Heading {
        level,
        title: line.trim(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(markdown: &str) -> Vec<(String, String)> {
        let document = Document::read(markdown);
        let sections = document.sections.into_iter();
        sections
            .map(|section| (section.title, section.body))
            .collect()
    }

    fn owned(told: &[(&str, &str)]) -> Vec<(String, String)> {
        told.iter()
            .map(|(title, body)| ((*title).to_owned(), (*body).to_owned()))
            .collect()
    }

    #[test]
    fn an_underlined_heading_is_one_and_a_rule_is_none() {
        let markdown = "Returns\n=======\nWithin 30 days.\n\nRefund times\n---\nFive days.\n\n---\n\nMore.\n\nEmpty\n===\nLast\n---\nText.\n";
        assert_eq!(
            Document::read(markdown).title.as_deref(),
            Some("Returns"),
            "of the highest level"
        );
        assert_eq!(
            told(markdown),
            owned(&[
                ("Returns", "Within 30 days."),
                ("Refund times", "Five days.\n\n---\n\nMore."),
                ("Last", "Text."),
            ])
        );
    }

    #[test]
    fn what_cannot_be_underlined_is_text() {
        for text in [
            "- an item\n---",
            "> quoted\n---",
            "| a |\n---",
            "two\nlines\n---",
            "---\n---",
            "```\ncode\n---\n```",
        ] {
            assert_eq!(told(text), owned(&[("", text)]), "{text}");
        }
    }

    #[test]
    fn what_stands_before_the_first_heading_has_no_title_of_its_own() {
        let markdown = "Hello.\n\n## Hours\n\nNine to five.\n";
        assert_eq!(
            told(markdown),
            owned(&[("", "Hello."), ("Hours", "Nine to five.")])
        );
        assert_eq!(Document::read(markdown).title, None);
    }
}
