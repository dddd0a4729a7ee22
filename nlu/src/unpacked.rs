//! The model as files, so that ONNX Runtime maps its weights instead of copying them for every session.
//!
//! The program carries its model inside itself. From memory, ONNX Runtime copies each weight for each session: two
//! sessions of the 23 MB model hold 150 MB. From files, it maps them: 97 MB, and the pages belong to the system's file
//! cache. So the model is unpacked once into the user's cache folder, under its checksum.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Model, in_place};

/// The graph without its large weights; they are in [`in_place::EXTERNAL_FILE`] beside it.
const GRAPH_FILE: &str = "graph.onnx";

/// Unpacks `model` below `folder`, unless it is there, and returns the path of its graph.
pub(crate) fn unpack(model: &Model, folder: &Path) -> io::Result<PathBuf> {
    let place = folder.join(&model.metadata.sha256);
    if !is_complete(&place, model) {
        write(&place, model)?;
    }
    Ok(place.join(GRAPH_FILE))
}

fn is_complete(place: &Path, model: &Model) -> bool {
    let length = |name: &str| fs::metadata(place.join(name)).map_or(0, |file| file.len());
    length(in_place::EXTERNAL_FILE) == model.onnx.len() as u64 && length(GRAPH_FILE) > 0
}

/// Writes beside the place and renames, so that another process sees all of it or nothing.
fn write(place: &Path, model: &Model) -> io::Result<()> {
    let graph = in_place::without_large_weights(&model.onnx).map_err(io::Error::other)?;
    let unfinished = place.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all(&unfinished)?;
    let written = fs::write(unfinished.join(GRAPH_FILE), graph)
        .and_then(|()| fs::write(unfinished.join(in_place::EXTERNAL_FILE), &model.onnx))
        .and_then(|()| replace(&unfinished, place, model));
    if written.is_err() {
        // What is left is only in the way; that it cannot be removed changes nothing.
        let _ = fs::remove_dir_all(&unfinished);
    }
    written
}

fn replace(unfinished: &Path, place: &Path, model: &Model) -> io::Result<()> {
    if fs::rename(unfinished, place).is_ok() {
        return Ok(());
    }
    if is_complete(place, model) {
        // Another process was faster.
        return fs::remove_dir_all(unfinished);
    }
    fs::remove_dir_all(place)?;
    fs::rename(unfinished, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(onnx: Vec<u8>) -> Model {
        let metadata = crate::model::tests::GOOD;
        Model::new(onnx, vec![], metadata).unwrap()
    }

    #[test]
    fn a_model_is_unpacked_once_and_again_when_it_was_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let model = model(vec![0x0a, 1, b'x']);
        let graph = unpack(&model, folder.path()).unwrap();
        let weights = graph.with_file_name(in_place::EXTERNAL_FILE);
        assert_eq!(fs::read(&weights).unwrap(), [0x0a, 1, b'x']);
        fs::write(&graph, "kept").unwrap();
        unpack(&model, folder.path()).unwrap();
        assert_eq!(fs::read(&graph).unwrap(), b"kept");
        fs::write(&weights, "cut").unwrap();
        fs::write(&weights, "").unwrap();
        unpack(&model, folder.path()).unwrap();
        assert_eq!(fs::read(&weights).unwrap(), [0x0a, 1, b'x']);
        // Nothing unfinished is left behind.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_and_not_a_panic() {
        let folder = tempfile::NamedTempFile::new().unwrap();
        assert!(unpack(&model(vec![0x0a, 1, b'x']), folder.path()).is_err());
        let folder = tempfile::tempdir().unwrap();
        assert!(unpack(&model(vec![0xff]), folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
