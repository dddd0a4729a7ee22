//! Takes the large weights out of an ONNX file, so that ONNX Runtime reads them where they are (see `unpacked.rs`).
//!
//! What remains is a copy of the file whose large integer tensors say that they live in an "external file", namely the
//! original, and where in it. Only the few messages on the way to a tensor are looked at, in protobuf's wire format
//! (field numbers from onnx.proto); everything else is copied as it stands.

use std::ops::Range;

/// The name of the original file, which must lie beside the copy.
pub(crate) const EXTERNAL_FILE: &str = "understanding.onnx";

/// Smaller tensors are copied: they are many, and together they are nothing.
const WORTH_IT: usize = 16 * 1024;

const MODEL_GRAPH: u64 = 7;
const GRAPH_INITIALIZER: u64 = 5;
const TENSOR_DATA_TYPE: u64 = 2;
const TENSOR_RAW_DATA: u64 = 9;
const TENSOR_EXTERNAL_DATA: u64 = 13;
const TENSOR_DATA_LOCATION: u64 = 14;
/// `TensorProto.DataLocation.EXTERNAL`
const EXTERNAL: u64 = 1;
/// `TensorProto.DataType.UINT8` and `INT8`: bytes need no alignment.
const BYTES: [u64; 2] = [2, 3];

/// The file is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not an ONNX file: the message at byte {0} is cut off or malformed")]
pub(crate) struct Malformed(usize);

/// `onnx` with its large integer tensors left where they are, in [`EXTERNAL_FILE`].
pub(crate) fn without_large_weights(onnx: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut slim = Vec::new();
    for field in (Fields {
        bytes: onnx,
        range: 0..onnx.len(),
    }) {
        let field = field?;
        if field.is(MODEL_GRAPH) {
            write_message(&mut slim, MODEL_GRAPH, &slim_graph(onnx, field.value)?);
        } else {
            slim.extend_from_slice(&onnx[field.whole]);
        }
    }
    Ok(slim)
}

fn slim_graph(onnx: &[u8], range: Range<usize>) -> Result<Vec<u8>, Malformed> {
    let mut slim = Vec::new();
    for field in (Fields { bytes: onnx, range }) {
        let field = field?;
        if field.is(GRAPH_INITIALIZER) {
            write_message(
                &mut slim,
                GRAPH_INITIALIZER,
                &slim_tensor(onnx, field.value)?,
            );
        } else {
            slim.extend_from_slice(&onnx[field.whole]);
        }
    }
    Ok(slim)
}

fn slim_tensor(onnx: &[u8], range: Range<usize>) -> Result<Vec<u8>, Malformed> {
    let mut kept = Vec::new();
    let mut raw_data = None;
    let mut is_bytes = false;
    for field in (Fields {
        bytes: onnx,
        range: range.clone(),
    }) {
        let field = field?;
        is_bytes |= field.number == TENSOR_DATA_TYPE && BYTES.contains(&field.varint);
        if field.is(TENSOR_RAW_DATA) {
            raw_data = Some(field.value);
        } else {
            kept.extend_from_slice(&onnx[field.whole]);
        }
    }
    match raw_data {
        Some(weights) if is_bytes && weights.len() >= WORTH_IT => {
            write_place(&mut kept, &weights);
            Ok(kept)
        }
        _ => Ok(onnx[range].to_vec()),
    }
}

/// Says that the weights are in the external file, and where.
fn write_place(tensor: &mut Vec<u8>, weights: &Range<usize>) {
    for (key, value) in [
        ("location", EXTERNAL_FILE.to_owned()),
        ("offset", weights.start.to_string()),
        ("length", weights.len().to_string()),
    ] {
        // StringStringEntryProto: 1 is the key, 2 the value.
        let mut entry = Vec::new();
        write_message(&mut entry, 1, key.as_bytes());
        write_message(&mut entry, 2, value.as_bytes());
        write_message(tensor, TENSOR_EXTERNAL_DATA, &entry);
    }
    write_varint(tensor, TENSOR_DATA_LOCATION << 3);
    write_varint(tensor, EXTERNAL);
}

fn write_message(target: &mut Vec<u8>, number: u64, content: &[u8]) {
    write_varint(target, number << 3 | 2);
    write_varint(target, content.len() as u64);
    target.extend_from_slice(content);
}

fn write_varint(target: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        target.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    target.push(value as u8);
}

/// One field of a message.
struct Field {
    number: u64,
    /// Whether it carries bytes: a string, bytes or a message.
    has_bytes: bool,
    /// Its number, if it is one.
    varint: u64,
    /// Where its bytes are.
    value: Range<usize>,
    /// Where it is, tag and all.
    whole: Range<usize>,
}

impl Field {
    fn is(&self, number: u64) -> bool {
        self.has_bytes && self.number == number
    }
}

/// Walks over the fields of the message in `range`.
struct Fields<'b> {
    bytes: &'b [u8],
    range: Range<usize>,
}

impl Fields<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.range.next()?)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self
            .range
            .start
            .checked_add(length)
            .filter(|end| *end <= self.range.end)?;
        let skipped = self.range.start..end;
        self.range.start = end;
        Some(skipped)
    }

    fn field(&mut self) -> Option<Field> {
        let start = self.range.start;
        let tag = self.varint()?;
        let mut varint = 0;
        let value = match tag & 7 {
            0 => {
                varint = self.varint()?;
                self.skip(0)?
            }
            1 => self.skip(8)?,
            2 => {
                let length = self.varint()?;
                self.skip(usize::try_from(length).ok()?)?
            }
            5 => self.skip(4)?,
            _ => return None,
        };
        Some(Field {
            number: tag >> 3,
            has_bytes: tag & 7 == 2,
            varint,
            value,
            whole: start..self.range.start,
        })
    }
}

impl Iterator for Fields<'_> {
    type Item = Result<Field, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.range.is_empty() {
            return None;
        }
        let start = self.range.start;
        let field = self.field().ok_or(Malformed(start));
        if field.is_err() {
            self.range.start = self.range.end;
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use tract_onnx::pb::{GraphProto, ModelProto, TensorProto, tensor_proto::DataType};

    use super::*;

    fn tensor(name: &str, kind: DataType, length: usize) -> TensorProto {
        TensorProto {
            name: name.into(),
            dims: vec![length as i64],
            data_type: kind.into(),
            raw_data: (0..length).map(|value| value as u8).collect(),
            ..TensorProto::default()
        }
    }

    fn model() -> ModelProto {
        ModelProto {
            producer_name: "a test".into(),
            graph: Some(GraphProto {
                name: "graph".into(),
                initializer: vec![
                    tensor("large", DataType::Int8, 20_000),
                    tensor("small", DataType::Int8, 16),
                    tensor("float", DataType::Float, 40_000),
                ],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        }
    }

    #[test]
    fn large_integer_tensors_point_into_the_original_and_the_rest_is_the_same() {
        let original = model().encode_to_vec();
        let slim = without_large_weights(&original).unwrap();
        assert!(slim.len() < 42_000);
        let mut slim = ModelProto::decode(slim.as_slice()).unwrap();
        let large = &mut slim.graph.as_mut().unwrap().initializer[0];
        let place = |key: &str| -> usize {
            let entry = large
                .external_data
                .iter()
                .find(|entry| entry.key == key)
                .unwrap();
            entry.value.parse().unwrap()
        };
        let (offset, length) = (place("offset"), place("length"));
        assert_eq!(large.data_location, Some(1));
        assert!(large.raw_data.is_empty());
        // Put back what was taken out, and it is the original again.
        large.raw_data = original[offset..offset + length].to_vec();
        large.external_data.clear();
        large.data_location = None;
        assert_eq!(slim, model());
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        let original = model().encode_to_vec();
        assert!(without_large_weights(&original[..original.len() - 1]).is_err());
        assert!(without_large_weights(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").is_err());
        assert_eq!(without_large_weights(b""), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_without_a_panic(bytes: Vec<u8>) {
            let _ = without_large_weights(&bytes);
        }
    }
}
