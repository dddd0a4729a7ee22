//! What instances that share a database must have in common.

use doorstep_core::Problem;
use secrecy::{ExposeSecret, SecretString};

use super::{Config, DatabaseKind, Located, Sources, file_name, locate::place, read_file};

impl Config {
    /// With PostgreSQL, where several instances may share the work: the secrets that nobody set, which each instance would make
    /// for itself. What one signs, the others would refuse. `sources` are those of this configuration.
    pub fn made_secrets(&self, sources: &Sources) -> Option<Problem> {
        let fields = self.unset_secrets();
        if self.database.kind != DatabaseKind::Postgres || fields.is_empty() {
            return None;
        }
        // It was read before; without it the line is unknown.
        let text = read_file(sources.file.as_deref()).unwrap_or_default();
        let file = Located {
            name: file_name(sources.file.as_deref()),
            text: &text,
            sources,
        };
        let (file, line) = place(&file, &["database".to_owned(), "kind".to_owned()]);
        Some(Problem {
            file,
            line,
            field: "database.kind".to_owned(),
            message: format!(
                "instances that share this database must have the same secrets, and these are made by each in its own \
                 data_dir: {}",
                fields.join(", ")
            ),
            fix: "set each of them, or name its file as …_file, alike for all instances; one instance alone may leave them"
                .to_owned(),
        })
    }

    /// The secrets that are made at the first start, by their fields.
    fn unset_secrets(&self) -> Vec<String> {
        let is_unset = |secret: &SecretString| secret.expose_secret().is_empty();
        let mut fields = Vec::new();
        let mut look = |field: String, secret: Option<&SecretString>| {
            if secret.is_none_or(is_unset) {
                fields.push(field);
            }
        };
        look("links.secret".to_owned(), Some(&self.links.secret));
        if let Some(webchat) = &self.channels.webchat {
            let field = |name: &str| format!("channels.webchat.{name}");
            look(field("signing_secret"), Some(&webchat.signing_secret));
            look(field("identity_secret"), webchat.identity_secret.as_ref());
        }
        if let Some(email) = self
            .channels
            .email
            .as_ref()
            .filter(|email| email.reply_tokens)
        {
            look(
                "channels.email.reply_secret".to_owned(),
                Some(&email.reply_secret),
            );
        }
        for (name, source) in &self.commerce {
            look(format!("commerce.{name}.secret"), Some(&source.secret));
        }
        fields
    }
}
