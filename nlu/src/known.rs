//! What the model said of texts before, kept in the user's cache folder: a start need not have them read again.
//!
//! A file belongs to one model, by its checksum, and to one [`Kind`] of texts. It is only a shortcut: when it cannot be read or
//! written, the model reads the texts.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Metadata, Output};

/// Begins the file; changes with its format.
const MAGIC: &[u8; 8] = b"dsvec01\n";
/// A longer file was not written by us.
const LONGEST: u64 = 64 << 20;

/// Of more texts than these, none that are indexed are kept: a shop that is indexed anew at every start has no so many.
const MOST: usize = 4_096;

/// What texts are kept for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Examples of a merchant's own intents.
    Examples,
    /// Documents of an index that is made anew at every start.
    Indexed,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Examples => "examples",
            Self::Indexed => "indexed",
        }
    }
}

/// Vectors by text.
#[derive(Default)]
pub(crate) struct Known {
    file: Option<PathBuf>,
    outputs: HashMap<String, Arc<Output>>,
    /// Whether the file lacks some of them.
    has_new: bool,
}

impl Known {
    /// What is kept in `folder` of this model; nothing without a folder.
    pub(crate) fn open(folder: Option<&Path>, kind: Kind, metadata: &Metadata) -> Self {
        let name = format!("{}.{}", metadata.sha256, kind.extension());
        let file = folder.map(|folder| folder.join(name));
        let outputs = file
            .as_deref()
            .and_then(|file| load(file, metadata.dimensions).ok())
            .unwrap_or_default();
        Self {
            file,
            outputs,
            has_new: false,
        }
    }

    pub(crate) fn get(&self, text: &str) -> Option<Arc<Output>> {
        self.outputs.get(text).cloned()
    }

    pub(crate) fn add(&mut self, text: String, output: Arc<Output>) {
        self.outputs.insert(text, output);
        self.has_new = true;
    }

    /// Writes what is known of `texts`, and nothing else, if any of it is new: examples that were taken out are forgotten.
    pub(crate) fn keep(&self, texts: &[String]) {
        let known = |text| self.outputs.get_key_value(text);
        if self.has_new {
            self.write(texts.iter().filter_map(known));
        }
    }

    /// Writes all that is known, if any of it is new; begins anew where that is too much.
    pub(crate) fn keep_all(&self) {
        match self.outputs.len() {
            _ if !self.has_new => {}
            texts if texts > MOST => self.write(std::iter::empty()),
            _ => self.write(self.outputs.iter()),
        }
    }

    fn write<'a>(&self, outputs: impl Iterator<Item = (&'a String, &'a Arc<Output>)>) {
        let Some(file) = &self.file else { return };
        if let Err(error) = replace(file, outputs) {
            tracing::debug!(file = %file.display(), %error, "vectors are not kept; the next start reads their texts again");
        }
    }
}

/// Writes the file anew.
fn replace<'a>(
    file: &Path,
    outputs: impl Iterator<Item = (&'a String, &'a Arc<Output>)>,
) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    for (text, output) in outputs {
        put(&mut bytes, text.as_bytes());
        for vector in [&output.embedding, &output.topic] {
            let values: Vec<u8> = vector
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            put(&mut bytes, &values);
        }
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    // Beside it and renamed, so that another process sees all of it or nothing.
    let unfinished = file.with_extension(format!("new-{}", std::process::id()));
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, file)
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    // Examples and vectors are far shorter than 4 GiB.
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_le_bytes());
    bytes.extend(part);
}

fn load(file: &Path, dimensions: usize) -> io::Result<HashMap<String, Arc<Output>>> {
    if fs::metadata(file)?.len() > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let bytes = fs::read(file)?;
    parse(&bytes, dimensions).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(bytes: &[u8], dimensions: usize) -> Option<HashMap<String, Arc<Output>>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut outputs = HashMap::new();
    while !rest.is_empty() {
        let text = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        let embedding = floats(take(&mut rest)?)?;
        let topic = floats(take(&mut rest)?)?;
        let fits = embedding.len() == dimensions && [0, dimensions].contains(&topic.len());
        if !fits {
            return None;
        }
        let output = Output {
            embedding,
            topic,
            ..Output::default()
        };
        outputs.insert(text, Arc::new(output));
    }
    Some(outputs)
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

/// Finite numbers; anything else was not written by us.
fn floats(bytes: &[u8]) -> Option<Vec<f32>> {
    let (values, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let values: Vec<f32> = values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    values
        .iter()
        .all(|value| value.is_finite())
        .then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::GOOD;

    #[test]
    fn what_was_kept_is_known_again_and_a_broken_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("deep");
        let open = |metadata: &Metadata| Known::open(Some(&deep), Kind::Examples, metadata);
        let metadata = Metadata::parse(GOOD).unwrap();
        let mut known = open(&metadata);
        let output = Arc::new(Output {
            embedding: vec![0.5; 4],
            ..Output::default()
        });
        known.add("hello".to_owned(), output.clone());
        known.add("gone".to_owned(), output.clone());
        known.keep(&["hello".to_owned()]);
        let again = open(&metadata);
        assert_eq!(again.get("hello"), Some(output.clone()));
        assert_eq!(again.get("gone"), None);
        let mut indexed = Known::open(Some(&deep), Kind::Indexed, &metadata);
        assert_eq!(indexed.get("hello"), None);
        for card in ["card", "second card"] {
            indexed.add(card.to_owned(), output.clone());
            indexed.keep_all();
        }
        let again_indexed = Known::open(Some(&deep), Kind::Indexed, &metadata);
        assert_eq!(again_indexed.get("card"), Some(output.clone()));
        assert_eq!(again_indexed.get("second card"), Some(output.clone()));
        for number in 0..MOST {
            indexed.add(format!("card {number}"), output.clone());
        }
        indexed.keep_all();
        let too_many = Known::open(Some(&deep), Kind::Indexed, &metadata);
        assert_eq!(too_many.get("card"), None);
        // A model of other vectors does not take them.
        let other = Metadata {
            dimensions: 8,
            ..metadata.clone()
        };
        assert_eq!(open(&other).get("hello"), None);
        for broken in [
            &b"dsvec01\n\xff\xff\xff\xff"[..],
            b"dsvec01\n\x01",
            b"",
            b"else",
        ] {
            fs::write(again.file.as_ref().unwrap(), broken).unwrap();
            assert_eq!(open(&metadata).get("hello"), None);
        }
    }
}
