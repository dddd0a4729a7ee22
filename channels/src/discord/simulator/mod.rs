pub fn plain(text: &str) -> String { text.to_owned() }
