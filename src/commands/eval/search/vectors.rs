//! What the model read, kept between runs: a large catalog takes minutes.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read, Write},
    path::Path,
};

use doorstep_core::{nlu::Nlu, search::SearchDocument};
use doorstep_nlu::LocalNlu;
use sha2::{Digest, Sha256};

use crate::commands::Failure;

/// The digest of a text and of the model that read it.
type Key = [u8; 32];

/// A file of records: key, length, values (little-endian).
pub(super) struct Vectors {
    known: HashMap<Key, Vec<f32>>,
    file: Option<File>,
    reused: usize,
}

impl Vectors {
    /// # Errors
    /// Misuse when the file cannot be used.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self {
                known: HashMap::new(),
                file: None,
                reused: 0,
            });
        };
        let misuse = |error| Failure::Misuse(format!("{}: {error}", path.display()));
        let file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(path)
            .map_err(misuse)?;
        let (known, whole) = read(BufReader::new(&file));
        // A run that was ended may have left half a record; what is added must not follow it.
        file.set_len(whole).map_err(misuse)?;
        Ok(Self {
            known,
            file: Some(file),
            reused: 0,
        })
    }

    /// How many documents got a vector that an earlier run had made.
    pub(super) fn reused(&self) -> usize {
        self.reused
    }

    /// Gives every document its vector.
    ///
    /// # Errors
    /// The model could not read one, or the file could not be written.
    pub(super) async fn give(
        &mut self,
        documents: &mut [SearchDocument],
        nlu: &LocalNlu,
    ) -> Result<(), Failure> {
        let model = &nlu.metadata().version;
        let cards: Vec<String> = documents.iter().map(SearchDocument::card).collect();
        let keys: Vec<Key> = cards.iter().map(|card| key(model, card)).collect();
        let unknown: Vec<usize> = (0..keys.len())
            .filter(|place| !self.known.contains_key(&keys[*place]))
            .collect();
        self.reused += keys.len() - unknown.len();
        let texts: Vec<String> = unknown.iter().map(|place| cards[*place].clone()).collect();
        let read = nlu.embed(&texts).await.map_err(Failure::finding)?;
        let mut fresh = HashMap::new();
        for (place, vector) in unknown.into_iter().zip(read) {
            if let Some(file) = &mut self.file {
                let record = record(&keys[place], &vector);
                file.write_all(&record).map_err(Failure::finding)?;
            }
            fresh.insert(keys[place], vector);
        }
        for (document, key) in documents.iter_mut().zip(&keys) {
            document.vector = self.known.get(key).or_else(|| fresh.get(key)).cloned();
        }
        Ok(())
    }
}

fn key(model: &str, card: &str) -> Key {
    let mut digest = Sha256::new();
    digest.update(model);
    digest.update([0]);
    digest.update(card);
    digest.finalize().into()
}

fn record(key: &Key, vector: &[f32]) -> Vec<u8> {
    let mut record = key.to_vec();
    record.extend((vector.len() as u32).to_le_bytes());
    record.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
    record
}

/// The whole records, and how many bytes they are.
fn read(mut file: impl Read) -> (HashMap<Key, Vec<f32>>, u64) {
    let mut known = HashMap::new();
    let mut whole = 0;
    let mut next = || -> std::io::Result<(Key, Vec<f32>)> {
        let (mut key, mut length) = ([0; 32], [0; 4]);
        file.read_exact(&mut key)?;
        file.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length).min(1 << 16) as usize * 4];
        file.read_exact(&mut bytes)?;
        let (values, _) = bytes.as_chunks::<4>();
        Ok((
            key,
            values
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
        ))
    };
    while let Ok((key, vector)) = next() {
        whole += 36 + vector.len() as u64 * 4;
        known.insert(key, vector);
    }
    (known, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_half_a_record_is_dropped() {
        let (one, two) = (key("m", "one"), key("m", "two"));
        let mut file = record(&one, &[1.0, -2.5]);
        file.extend(&record(&two, &[3.0])[..38]);
        let known = HashMap::from([(one, vec![1.0, -2.5])]);
        assert_eq!(read(&file[..]), (known, 44));
    }
}
