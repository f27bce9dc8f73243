//! Errors of commands, each printed as one line.

/// Why a command failed. The text names the object, the value and the next step.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

impl Problem {
    /// A problem with this text.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl From<String> for Problem {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
