//! What a merchant writes: read from the built-in files and the merchant's own, and checked as a whole.

use std::path::Path;

use doorstep_core::{ChannelName, ConfigFiles, Language, Problem, Timestamp};
use doorstep_engine::{
    flows::Flows,
    intents::{self, Background},
    knowledge,
    notify::{Notifier, Rules},
    synonyms,
    templates::{Templates, written_out_in_answers},
};
use doorstep_nlu::{Lesson, Utterance};

use crate::{
    assets,
    config::{Config, ShopKind},
    overlay,
};

/// What a merchant writes, checked as a whole: what `doorstep check` and start-up share.
pub struct MerchantFiles {
    /// The files themselves; knowledge is read from them.
    pub files: ConfigFiles,
    /// Replies and notification texts.
    pub templates: Templates,
    /// Dialogues.
    pub flows: Flows,
    /// What is told unasked.
    pub rules: Rules,
    /// What the merchant's own intents are told apart from.
    pub background: Vec<Background>,
    /// Words that mean one thing.
    pub synonyms: Vec<(Language, Vec<String>)>,
}

impl MerchantFiles {
    /// What the program learns the merchant's own intents from.
    pub fn lesson(&self) -> Lesson {
        let own = self.flows.own_intents().iter().flat_map(|intent| {
            intent.examples.iter().map(|example| Utterance {
                intent: intent.name.clone(),
                text: example.text.clone(),
            })
        });
        let background = self.background.iter().map(|example| Utterance {
            intent: example.intent.clone(),
            text: example.text.clone(),
        });
        Lesson {
            own: own.collect(),
            background: background.collect(),
        }
    }

    /// The files that rules need and that are not there, in the languages that the shop speaks; where it names none, in
    /// those of any template. Customers would read another language.
    pub fn untranslated(&self, spoken: &[Language]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for rule in self.rules.iter() {
            for (template, _) in rule.ways() {
                for language in self.templates.languages_without(template, spoken) {
                    problems.push(Problem {
                        file: format!("templates/{template}.{language}.md"),
                        line: 0,
                        field: format!("rule `{}`", rule.name),
                        message: format!("there are no words in {language}"),
                        fix: "write them, or name the languages that your shop speaks in `languages` of the section [shop]"
                            .to_owned(),
                    });
                }
            }
        }
        problems.dedup();
        problems
    }

    /// Prices, days and states that replies, templates and own answers write out, where answers look them up.
    pub fn written_out(&self) -> Vec<Problem> {
        let built_in = assets::merchant_files(None, ShopKind::Demo).ok();
        let built_in = built_in.and_then(|files| Templates::load(&files, &Language::ENGLISH).ok());
        let mut found = match &built_in {
            Some(built_in) => self.templates.written_out(built_in),
            None => Vec::new(),
        };
        found.extend(written_out_in_answers(
            self.flows.own_intents(),
            &self.files,
        ));
        found
    }

    /// What customers will not be told because the shop has written nothing about itself.
    pub fn unwritten(&self) -> Option<Problem> {
        let is_page = |path: &String| path.starts_with("knowledge/");
        (!self.files.files.keys().any(is_page)).then(|| Problem {
            file: "files_dir".to_owned(),
            line: 0,
            field: "knowledge".to_owned(),
            message: "the shop has no page of its own: who asks about returns, delivery or payment is offered a person"
                .to_owned(),
            fix: "write pages like knowledge/en/returns.md; docs/answers.md says how".to_owned(),
        })
    }

    /// That nothing is told at all, though the program runs for it.
    pub fn silent(&self) -> Option<Problem> {
        self.rules.iter().next().is_none().then(|| Problem {
            file: "rules".to_owned(),
            line: 0,
            field: String::new(),
            message: "there is no rule: no customer hears of their parcels".to_owned(),
            fix:
                "write rules, or remove your rules/default.yaml: without it the built-in ones hold"
                    .to_owned(),
        })
    }

    /// Reads and checks the built-in files, overlaid by `files_dir`.
    ///
    /// # Errors
    /// Every problem in every file, named as it can be opened.
    pub fn load(config: &Config) -> Result<Self, Vec<Problem>> {
        Self::read(config).map_err(|problems| as_opened(problems, config.files_dir.as_deref()))
    }

    fn read(config: &Config) -> Result<Self, Vec<Problem>> {
        let files = assets::merchant_files(config.files_dir.as_deref(), config.shop.kind);
        let files = files.map_err(|problem| vec![problem])?;
        let templates = Templates::load(&files, &config.shop.default_language)?;
        let mut problems = Vec::new();
        let flows = Flows::load(&files, &templates)
            .map_err(|found| problems.extend(found))
            .ok();
        let unconfigured = config.channels.unconfigured().names();
        let rules = Notifier::load_rules(&files, &templates, &config.channels.names())
            .map_err(|found| {
                let named = |problem| without_a_section(problem, &unconfigured);
                problems.extend(found.into_iter().map(named));
            })
            .ok();
        let passages = knowledge::passages(&files, Timestamp::UNIX_EPOCH);
        problems.extend(passages.err().unwrap_or_default());
        let background = intents::background(&files)
            .map_err(|problem| problems.push(problem))
            .ok();
        let synonyms = synonyms::load(&files)
            .map_err(|found| problems.extend(found))
            .unwrap_or_default();
        match (flows, rules, background) {
            (Some(flows), Some(rules), Some(background)) if problems.is_empty() => Ok(Self {
                files,
                templates,
                flows,
                rules,
                background,
                synonyms,
            }),
            _ => Err(problems),
        }
    }
}

/// A channel that there is, but not in this configuration, is no misspelt one: says what it lacks.
fn without_a_section(problem: Problem, unconfigured: &[ChannelName]) -> Problem {
    let is_it = |name: &&ChannelName| problem.message == format!("`{name}` is not known");
    match unconfigured.iter().find(is_it) {
        Some(name) if problem.field.contains("channel") => Problem {
            message: format!("the channel `{name}` has no section in the configuration"),
            fix: format!("add [channels.{name}] (docs/channels/{name}.md), or take it out here"),
            ..problem
        },
        _ => problem,
    }
}

/// Names the merchant's own files, those that are there and those to be written, as they can be opened from the current
/// folder: `files/flows/praise.yaml`. Built-in ones keep their names.
pub(crate) fn as_opened(mut problems: Vec<Problem>, files_dir: Option<&Path>) -> Vec<Problem> {
    let Some(folder) = files_dir else {
        return problems;
    };
    for problem in &mut problems {
        let path = folder.join(&problem.file);
        let is_own = path.is_file() || !assets::is_built_in(&problem.file);
        if overlay::is_merchant_file(&path) && is_own {
            problem.file = path.display().to_string();
        }
    }
    problems
}
