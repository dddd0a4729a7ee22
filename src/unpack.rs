//! Files that are large enough to be kept packed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use flate2::read::MultiGzDecoder;

/// What a gzip file begins with.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Opens a file to read it; one that is packed by gzip, whatever its name, is unpacked on the way.
///
/// # Errors
/// It cannot be opened or read.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let mut file = BufReader::new(File::open(path)?);
    let is_packed = file.fill_buf()?.starts_with(GZIP);
    Ok(match is_packed {
        true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        false => Box::new(file),
    })
}
