//! What a sealed key is for, and what it is sealed under.

/// A key that is sealed: the sealing key's id, a dot, base64 of nonce ‖ ciphertext ‖ tag.
pub(super) fn parts(sealed: &str) -> Option<(&str, &str)> {
    sealed.split_once('.')
}

/// The id of the sealing key that `sealed` is under.
pub fn sealed_under(sealed: &str) -> Option<&str> {
    parts(sealed).map(|(id, _)| id)
}

/// What a sealed key is for. As associated data it keeps one row's key from opening in another row.
pub struct Purpose<'a> {
    pub kid: &'a str,
    pub algorithm: &'a str,
}

impl Purpose<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        format!("runmint/signing-key/v1\0{}\0{}", self.algorithm, self.kid).into_bytes()
    }
}
