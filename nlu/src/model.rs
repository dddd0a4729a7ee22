//! The files a model is made of, and what is said about it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{
    NluStartError,
    thresholds::{Calibration, Thresholds},
};

/// A model as `training/` writes it, in memory: `understanding.onnx`, `tokenizer.json` and `understanding.json`.
#[derive(Debug, Clone)]
pub struct Model {
    /// The graph. Inputs `input_ids` and `attention_mask`, int64 `[batch, tokens]`; outputs `embedding`, float32
    /// `[batch, dimensions]` of unit length, `intent_logits`, float32 `[batch, labels]` with the temperature applied,
    /// and `escalation_logits`, float32 `[batch, 3]`.
    pub onnx: Cow<'static, [u8]>,
    /// The tokenizer in the format of the Hugging Face `tokenizers` library.
    pub tokenizer: Cow<'static, [u8]>,
    /// What the numbers mean; see [`Metadata`].
    pub metadata: Metadata,
}

impl Model {
    /// Whether anything would be answered at `max_wrong`, the largest share (0 to 1) of wrong answers to accept: whether the
    /// held-out messages prove any confidence sure enough.
    pub fn answers_at(&self, max_wrong: f32) -> bool {
        let metadata = &self.metadata;
        Thresholds::new(&metadata.calibration, max_wrong, metadata.threshold.accept).allow_answers()
    }

    /// Puts the three files together. `metadata` is the text of `understanding.json`.
    pub fn new(
        onnx: impl Into<Cow<'static, [u8]>>,
        tokenizer: impl Into<Cow<'static, [u8]>>,
        metadata: &str,
    ) -> Result<Self, NluStartError> {
        Ok(Self {
            onnx: onnx.into(),
            tokenizer: tokenizer.into(),
            metadata: Metadata::parse(metadata)?,
        })
    }
}

/// What `understanding.json` says of the model beside it. Fields that this version does not know are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Metadata {
    /// Version of the model.
    pub version: String,
    /// The intents in the order of `intent_logits`.
    pub labels: Vec<String>,
    /// SHA-256 of `understanding.onnx`, in lower-case hexadecimal.
    pub sha256: String,
    /// Length of `embedding`.
    pub dimensions: usize,
    /// Longest input in tokens; what is beyond is not read.
    pub max_tokens: usize,
    /// From which confidence on an intent is acted on, where nothing better is known.
    pub threshold: Threshold,
    /// From which presence on an intent counts as asked for besides the likeliest one, 0 to 1.
    #[serde(default = "half")]
    pub presence: f32,
    /// What the model made of held-out messages; the least confidence for a merchant's `max_wrong` follows from it. Empty
    /// for a model of before.
    #[serde(default)]
    pub calibration: Vec<Calibration>,
}

fn half() -> f32 {
    0.5
}

/// When the likeliest intent is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Threshold {
    /// Least confidence, 0 to 1; holds when there is no [`Metadata::calibration`].
    pub accept: f32,
    /// Two intents closer than this are both offered ("did you mean").
    pub margin: f32,
}

impl Metadata {
    /// Parses and checks `understanding.json`.
    pub fn parse(json: &str) -> Result<Self, NluStartError> {
        let metadata: Self = serde_json::from_str(json).map_err(|error| {
            NluStartError::Metadata(format!(
                "{error}; it belongs to another version of the program"
            ))
        })?;
        let complaint = if metadata.labels.is_empty() {
            "`labels` is empty"
        } else if !is_checksum(&metadata.sha256) {
            "`sha256` is not 64 hexadecimal digits"
        } else if metadata.dimensions == 0 {
            "`dimensions` is 0"
        } else if !(8..=4096).contains(&metadata.max_tokens) {
            "`max_tokens` is not between 8 and 4096"
        } else if !(0.0..=1.0).contains(&metadata.threshold.accept) {
            "`threshold.accept` is not between 0 and 1"
        } else if !(0.0..=1.0).contains(&metadata.threshold.margin) {
            "`threshold.margin` is not between 0 and 1"
        } else if !(0.0..=1.0).contains(&metadata.presence) {
            "`presence` is not between 0 and 1"
        } else if !metadata.has_whole_calibration() {
            "`calibration` has lists of different lengths, a confidence that is not between 0 and 1, or an intent without label"
        } else {
            return Ok(metadata);
        };
        Err(NluStartError::Metadata(complaint.to_owned()))
    }

    fn has_whole_calibration(&self) -> bool {
        let labels = self.labels.len();
        self.calibration.iter().all(|one| one.is_whole(labels))
    }
}

/// It becomes the name of a folder, so it must be nothing else.
fn is_checksum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const GOOD: &str = r#"{"version": "1", "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "labels": ["yes", "no"], "escalation": [], "dimensions": 4,
        "max_tokens": 16, "threshold": {"accept": 0.5, "margin": 0.1}, "unknown": 1}"#;

    #[test]
    fn metadata_is_read_and_unknown_fields_are_left_alone() {
        let metadata = Metadata::parse(GOOD).unwrap();
        assert_eq!(metadata.labels, ["yes", "no"]);
        assert_eq!(metadata.threshold.accept, 0.5);
        assert_eq!((metadata.presence, metadata.calibration.len()), (0.5, 0));
    }

    #[test]
    fn a_calibration_is_read_and_must_be_whole() {
        let with = |right: &str| {
            let calibration = format!(
                r#""calibration": [{{"language": "en", "confidence": [0.9, 0.25], "right": {right}, "in_scope": [1, 0]}}],"#
            );
            Metadata::parse(
                &GOOD.replace(r#""dimensions""#, &format!(r#"{calibration} "dimensions""#)),
            )
        };
        assert_eq!(
            with("[1, 0]").unwrap().calibration[0].confidence,
            [0.9, 0.25]
        );
        assert!(with(r#"[1, 0], "intent": [1, 0]"#).is_ok());
        assert!(with(r#"[1, 0], "intent": [1, 2]"#).is_err());
        let error = with("[1]").unwrap_err();
        assert!(error.to_string().contains("calibration"), "{error}");
    }

    #[test]
    fn bad_metadata_says_what_is_wrong() {
        for (from, to, complaint) in [
            (r#"["yes", "no"]"#, "[]", "labels"),
            ("0.5", "5", "accept"),
            (r#""dimensions": 4,"#, "", "dimensions"),
            ("e3b0c44", "../../x", "sha256"),
        ] {
            let error = Metadata::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(complaint), "{error}");
        }
    }
}
