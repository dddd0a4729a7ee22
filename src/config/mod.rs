//! Configuration: the embedded, commented `default.toml` ← the merchant's file ← the environment ← flags.
//!
//! A mistake is put aside and reading goes on behind it, so that one run of `doorstep check` names them all, with file, line,
//! field and what to do (G8); `validate` then checks what only makes sense across fields, of the sections without one.

mod layers;
mod locate;
mod reader;
mod secrets;
mod sections;
mod shared;
mod validate;

use std::path::{Path, PathBuf};

use doorstep_channels::ChannelsConfig;
use doorstep_core::Problem;
use figment::{providers::Env, value::Dict};

pub(crate) use locate::suggest;
pub use secrets::SecretStore;
pub use sections::*;

use reader::Reader;

/// The embedded defaults.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
const ENVIRONMENT: &str = "DOORSTEP_";
/// Variables of the same prefix that are not settings.
const NOT_SETTINGS: &[&str] = &[
    "shared",
    "config",
    "crash_at",
    "test_postgres_url",
    "browser",
    "log",
    "json",
];

/// Sections that reach a merchant's own systems, or say which they are. A run apart has its own.
const MERCHANTS: &[&str] = &[
    "files_dir",
    "shop",
    "database",
    "search",
    "phrasing",
    "attachments",
    "links",
    "channels",
    "commerce",
];
/// Of these, what a flag may ask for all the same: it only reads, or is asked for by whoever types it.
const BY_FLAG: &[&str] = &["files_dir", "phrasing"];

/// Where configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The merchant's file; without one the defaults hold.
    pub file: Option<PathBuf>,
    /// Settings of the command line: dotted key and value.
    pub flags: Vec<(String, String)>,
    /// Whether the environment counts.
    pub environment: bool,
}

/// Everything a run needs to know, valid as a whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where state lives.
    pub data_dir: PathBuf,
    /// The merchant's own files.
    pub files_dir: Option<PathBuf>,
    /// The shop.
    pub shop: ShopConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// The database.
    pub database: DatabaseSection,
    /// Understanding.
    pub nlu: NluSection,
    /// What finds products and passages.
    pub search: SearchSection,
    /// Answers in a language model's words.
    pub phrasing: PhrasingSection,
    /// Sending.
    pub delivery: DeliverySection,
    /// When parcels are expected.
    pub eta: EtaSection,
    /// Looking for what a crash left behind.
    pub sweep: SweepSection,
    /// Files that customers send.
    pub attachments: AttachmentsSection,
    /// Links with which a customer goes on on another channel.
    pub links: LinksSection,
    /// Logging.
    pub log: LogSection,
    /// Channels, each by its own section.
    pub channels: ChannelsConfig,
    /// Sources of commerce events by name.
    pub commerce: Vec<(String, CommerceSection)>,
}

impl Config {
    /// Loads and checks the configuration.
    ///
    /// # Errors
    /// Every problem found, each with file, line, field and fix.
    pub fn load(sources: &Sources) -> Result<Self, Vec<Problem>> {
        let text = read_file(sources.file.as_deref())?;
        let file = Located {
            name: file_name(sources.file.as_deref()),
            text: &text,
            sources,
        };
        if let Some(problem) = locate::syntax_error(&file) {
            return Err(vec![problem]);
        }
        let environment = environment(sources);
        let settings = layers::merged(&text, environment.as_ref(), sources);
        let problems = locate::unknown_sections(&file);
        Self::read(settings, &file, environment.as_ref(), problems)
    }

    /// The configuration of a run that needs nothing of a merchant's and touches nothing of it: the demo shop, a database and
    /// channels of its own, all below `folder`. No file is read, and of the environment only what is about this machine.
    ///
    /// # Errors
    /// As [`Config::load`]; or a flag names what such a run does not have.
    pub fn apart(flags: &[(String, String)], folder: &Path) -> Result<Self, Vec<Problem>> {
        let sources = Sources {
            file: None,
            flags: flags.to_vec(),
            environment: true,
        };
        let file = Located {
            name: file_name(None),
            text: "",
            sources: &sources,
        };
        let mut problems = locate::unknown_sections(&file);
        let refused = flags
            .iter()
            .filter(|(key, _)| is_merchants(key) && !BY_FLAG.contains(&section_of(key)));
        problems.extend(refused.map(|(key, _)| Problem {
            file: format!("--set {key}"),
            line: 0,
            field: key.clone(),
            message: "this run is apart from everything that is yours: it has the demo shop and a database and channels of \
                      its own"
                .to_owned(),
            fix: "leave it out, or use your shop with `doorstep serve`, or `doorstep say` with --config".to_owned(),
        }));
        let environment = settings().filter(|key| !is_merchants(key.as_str()));
        let settings = layers::merged("", Some(&environment), &sources);
        let mut config = Self::read(settings, &file, Some(&environment), problems)?;
        config.data_dir = folder.to_owned();
        config.http.public_url = String::new();
        Ok(config)
    }

    /// Reads all sections; `problems` are those that were found already.
    fn read(
        mut settings: Dict,
        file: &Located<'_>,
        environment: Option<&Env>,
        mut problems: Vec<Problem>,
    ) -> Result<Self, Vec<Problem>> {
        let from_files = secrets::read_files(&mut settings, file, &mut problems);
        let mut read = Reader::new(file, environment, settings, &from_files);
        let data_dir = read.value::<PathBuf>("data_dir");
        let files_dir = read.value::<PathBuf>("files_dir");
        let shop = read.value("shop");
        let http = read.value("http");
        let database = read.value("database");
        let nlu = read.value("nlu");
        let search = read.value("search");
        let phrasing = read.value("phrasing");
        let delivery = read.value("delivery");
        let eta = read.value("eta");
        let sweep = read.value("sweep");
        let attachments = read.value("attachments");
        let links = read.value("links");
        let log = read.value("log");
        let channels = read.value("channels");
        let commerce = read.named("commerce");
        let config = (|| {
            Some(Self {
                data_dir: data_dir?,
                files_dir: files_dir.filter(|path| !path.as_os_str().is_empty()),
                shop: shop?,
                http: http?,
                database: database?,
                nlu: nlu?,
                search: search?,
                phrasing: phrasing?,
                delivery: delivery?,
                eta: eta?,
                sweep: sweep?,
                attachments: attachments?,
                links: links?,
                log: log?,
                channels: channels?,
                commerce,
            })
        })();
        let found = read.found();
        problems.extend(found.problems);
        if let Some(config) = &config {
            let invalid = validate::problems(config, file, &from_files).into_iter();
            problems.extend(invalid.filter(|problem| {
                let path: Vec<String> = problem.field.split('.').map(str::to_owned).collect();
                !found.mistaken.contains(&reader::section_of(&path))
            }));
        }
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    /// How the program is reached from outside, without a slash at the end.
    pub fn public_url(&self) -> String {
        match self.http.public_url.trim_end_matches('/') {
            "" => format!("http://{}", self.http.listen),
            url => url.to_owned(),
        }
    }
}

/// A file's text with the name that problems carry, and what is set elsewhere.
pub(crate) struct Located<'a> {
    pub(crate) name: String,
    pub(crate) text: &'a str,
    pub(crate) sources: &'a Sources,
}

fn file_name(file: Option<&Path>) -> String {
    file.map_or_else(
        || "default.toml".to_owned(),
        |path| path.display().to_string(),
    )
}

fn read_file(file: Option<&Path>) -> Result<String, Vec<Problem>> {
    let Some(path) = file else {
        return Ok(String::new());
    };
    std::fs::read_to_string(path).map_err(|error| {
        vec![Problem {
            file: path.display().to_string(),
            line: 0,
            field: String::new(),
            message: format!("the file cannot be read: {error}"),
            fix: "check the path given with --config and its permissions".to_owned(),
        }]
    })
}

/// Settings of the environment: `DOORSTEP_HTTP__LISTEN` is `http.listen`.
fn settings() -> Env {
    Env::prefixed(ENVIRONMENT).ignore(NOT_SETTINGS).split("__")
}

fn environment(sources: &Sources) -> Option<Env> {
    sources.environment.then(settings)
}

/// Whether a dotted key, in any case, is in a section of [`MERCHANTS`].
fn is_merchants(key: &str) -> bool {
    MERCHANTS.contains(&section_of(&key.to_ascii_lowercase()))
}

/// The section of a dotted key.
fn section_of(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}
