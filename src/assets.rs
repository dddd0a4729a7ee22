//! What is embedded in the binary: the model, the merchant's default files, and what a browser loads.

use std::path::Path;

use doorstep_core::{ConfigFiles, Problem};
use rust_embed::{Embed, EmbeddedFile};

use crate::{config::ShopKind, overlay};

/// The graph, embedded apart from the rest so that it is never copied: both backends read it in place. A `const` would be in
/// the program once for each place that names it.
pub static MODEL: &[u8] = include_bytes!("../models/understanding.onnx");
/// The model's tokenizer.
pub static TOKENIZER: &[u8] = include_bytes!("../models/tokenizer.json");
/// What the model says of itself.
pub static MODEL_METADATA: &str = include_str!("../models/understanding.json");

#[derive(Embed)]
#[folder = "config"]
#[include = "*.yaml"]
#[include = "*.md"]
#[include = "*.tsv"]
struct Merchant;

/// General words of seven languages, which the model was taught too.
const WORDS: [(&str, &str); 3] = [
    (
        "dictionary/goods.tsv",
        include_str!("../training/lexicon/goods.tsv"),
    ),
    (
        "dictionary/shopping.tsv",
        include_str!("../training/lexicon/shopping.tsv"),
    ),
    // Last, because it is the least about products.
    (
        "dictionary/z-everyday.tsv",
        include_str!("../training/lexicon/everyday.tsv"),
    ),
];

#[derive(Embed)]
#[folder = "web"]
#[exclude = "tests/*"]
struct Web;

/// A file of `web/`.
pub fn web(path: &str) -> Option<EmbeddedFile> {
    Web::get(path)
}

/// The parts of the widget, in the order in which they are one script.
pub fn widget() -> impl Iterator<Item = EmbeddedFile> {
    let mut names: Vec<_> = Web::iter()
        .filter(|name| name.starts_with("widget/"))
        .collect();
    names.sort_unstable();
    names.into_iter().filter_map(|name| Web::get(&name))
}

/// What only the demo shop says: its pages, its words for its goods, its own intents.
const DEMO: &str = "demo/";

/// Where the built-in file stands that a merchant's of the same path does not replace as a whole.
const BUILT_IN: &str = "built-in/";

/// The merchant's files: the embedded ones, overlaid by those under `files_dir`. Pages, glossaries and own intents of the demo
/// shop are among them only where `shop` is that one: nobody else's customers are told its terms (G4).
///
/// Replies are laid over sentence by sentence: of a language that has a file of the merchant's, the built-in ones stand
/// below `built-in/` beside it.
///
/// # Errors
/// A file under `files_dir` cannot be read or is not UTF-8.
pub fn merchant_files(files_dir: Option<&Path>, shop: ShopKind) -> Result<ConfigFiles, Problem> {
    let mut files = ConfigFiles::new(WORDS);
    for path in Merchant::iter() {
        let Some(file) = Merchant::get(&path) else {
            continue;
        };
        let text = String::from_utf8_lossy(&file.data).into_owned();
        let path = match path.strip_prefix(DEMO) {
            // They stand where a merchant's would.
            Some(path) if shop == ShopKind::Demo => path.to_owned(),
            Some(_) => continue,
            None => path.to_string(),
        };
        files.files.insert(path, text);
    }
    if let Some(folder) = files_dir {
        let mut own = overlay::read(folder)?;
        // A merchant's page takes the place of the demo shop's, whatever it is written in.
        files
            .files
            .retain(|path, _| !own.files.keys().any(|own| is_same_page(own, path)));
        for path in own.files.keys().filter(|path| path.starts_with("replies/")) {
            if let Some(text) = files.files.remove(path) {
                files.files.insert(format!("{BUILT_IN}{path}"), text);
            }
        }
        files.files.append(&mut own.files);
    }
    Ok(files)
}

/// Whether a merchant's file of this path would take the place of a built-in one, or it is one that stands beside theirs.
pub(crate) fn is_built_in(path: &str) -> bool {
    let path = path.strip_prefix(BUILT_IN).unwrap_or(path);
    WORDS.iter().any(|(word, _)| *word == path)
        || Merchant::get(path).is_some()
        || Merchant::get(&format!("{DEMO}{path}")).is_some()
}

fn is_same_page(one: &str, other: &str) -> bool {
    let name = |path: &str| path.rsplit_once('.').map(|(name, _)| name.to_owned());
    one.starts_with("knowledge/") && name(one) == name(other)
}
