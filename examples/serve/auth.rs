//! Who may write: bearer tokens (RFC 6750) from a file.

use std::fs;
use std::path::Path;

use axum::http::{HeaderMap, StatusCode, header};

use crate::Failure;
use crate::answer::Refusal;

/// A token that is shorter can be guessed.
const SHORTEST: usize = 16;

/// The tokens in force, as their hashes.
pub(crate) struct Tokens(Vec<blake3::Hash>);

impl Tokens {
    /// Reads a file of tokens, one a line, so that a new one can be handed out before the old one ends.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path)
            .map_err(|e| format!("{}: cannot read: {e}", path.display()))?;
        let mut tokens = Vec::new();
        for token in text
            .lines()
            .map(str::trim)
            .filter(|token| !token.is_empty())
        {
            if token.len() < SHORTEST {
                let message = "a token has less than 16 characters, and can be guessed";
                return Err(format!("{}: {message}", path.display()).into());
            }
            tokens.push(blake3::hash(token.as_bytes()));
        }
        if tokens.is_empty() {
            return Err(format!("{}: there is no token", path.display()).into());
        }
        Ok(Self(tokens))
    }

    /// Fails unless the request has one of the tokens. Hashes are compared, in constant time, all
    /// of them: how long it takes tells nothing of any token.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let value = headers.get(header::AUTHORIZATION).map(|v| v.as_bytes());
        let given = value.and_then(|value| {
            let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
        });
        let Some(given) = given else {
            return Err(unauthorized("this needs `Authorization: Bearer TOKEN`"));
        };
        let given = blake3::hash(given.trim_ascii());
        let known = self.0.iter().fold(false, |known, t| known | (*t == given));
        if known {
            Ok(())
        } else {
            Err(unauthorized("the token is not known"))
        }
    }
}

fn unauthorized(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}
