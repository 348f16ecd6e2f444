//! Authentication of changes: bearer tokens (RFC 6750) from a file.

use std::fs;
use std::path::Path;

use axum::http::{HeaderMap, StatusCode, header};

use crate::Failure;
use crate::answer::ApiError;

/// Shorter tokens can be guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// The valid tokens, as hashes.
pub(crate) struct Tokens(Vec<blake3::Hash>);

impl Tokens {
    /// Reads a file of tokens, one per line, so that a new token can be issued before the old one is
    /// revoked.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path)
            .map_err(|e| format!("{}: cannot read: {e}", path.display()))?;
        let mut tokens = Vec::new();
        for token in text
            .lines()
            .map(str::trim)
            .filter(|token| !token.is_empty())
        {
            if token.len() < MIN_TOKEN_BYTES {
                let message = "a token has fewer than 16 characters and can be guessed";
                return Err(format!("{}: {message}", path.display()).into());
            }
            tokens.push(blake3::hash(token.as_bytes()));
        }
        if tokens.is_empty() {
            return Err(format!("{}: no token in the file", path.display()).into());
        }
        Ok(Self(tokens))
    }

    /// Fails unless the request has a valid token. Compares the hashes of all tokens in constant time,
    /// so that timing reveals nothing about them.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let value = headers.get(header::AUTHORIZATION).map(|v| v.as_bytes());
        let given = value.and_then(|value| {
            let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
        });
        let Some(given) = given else {
            return Err(unauthorized(
                "this request needs `Authorization: Bearer TOKEN`",
            ));
        };
        let given = blake3::hash(given.trim_ascii());
        let known = self.0.iter().fold(false, |known, t| known | (*t == given));
        if known {
            Ok(())
        } else {
            Err(unauthorized("the token is not valid"))
        }
    }
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}
