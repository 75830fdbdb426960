//! The text of a sealed key, and what it is bound to.

/// The two parts of a sealed key: the sealing key's id, and after a dot base64 of nonce ‖ ciphertext ‖ tag.
pub(super) fn parts(sealed: &str) -> Option<(&str, &str)> {
    sealed.split_once('.')
}

/// The id of the sealing key that sealed `sealed`; `None` if the text has another form.
pub fn sealed_under(sealed: &str) -> Option<&str> {
    parts(sealed).map(|(id, _)| id)
}

/// The record that a sealed key belongs to. As associated data it keeps one record's key from opening in
/// another.
pub struct Purpose<'a> {
    pub kid: &'a str,
    pub algorithm: &'a str,
}

impl Purpose<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        format!("runmint/signing-key/v1\0{}\0{}", self.algorithm, self.kid).into_bytes()
    }
}
