//! Secrets as they are held and compared: digests, and hashes of bcrypt.
//!
//! A comparison takes as long for a wrong secret as for a right one. A hash of bcrypt takes a tenth
//! of a second on purpose, so the digest of the password that fitted last is kept in memory, as
//! each scrape brings it again.

use bcrypt::BcryptError;
use sha2::{Digest as _, Sha256};
use std::sync::Mutex;
use subtle::ConstantTimeEq as _;

/// SHA-256 of a secret.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// A digest that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Whether both are digests of one secret.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// A hash of bcrypt and the password that fitted last.
pub struct Hashed {
    hash: String,
    fitted: Mutex<Option<Digest>>,
}

impl Hashed {
    /// A hash in the form of `htpasswd -B`.
    #[must_use]
    pub fn new(hash: &str) -> Self {
        Self { hash: hash.to_owned(), fitted: Mutex::new(None) }
    }

    /// Whether the password fitted before; at once.
    #[must_use]
    pub fn has_fitted(&self, password: &Digest) -> bool {
        let fitted = self.fitted.lock().map_or(None, |fitted| *fitted);
        fitted.is_some_and(|fitted| fitted.is(password))
    }

    /// Whether the password fits; takes about a tenth of a second of a processor.
    #[must_use]
    pub fn fits(&self, password: &str) -> bool {
        // Without bytes that bcrypt would not look at (beyond 72), which would be let through.
        let outcome = bcrypt::non_truncating_verify(password, &self.hash);
        let fits = match outcome {
            Ok(fits) => fits,
            Err(BcryptError::Truncation(_)) => false,
            Err(error) => {
                tracing::error!(%error, "a password hash cannot be used");
                false
            }
        };
        if fits && let Ok(mut fitted) = self.fitted.lock() {
            *fitted = Some(Digest::of(password));
        }
        fits
    }
}

impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashed(…)")
    }
}
