//! Opaque secrets of our own: access tokens and run request tokens.
//!
//! `<prefix>_<43 base62 characters of randomness><6 base62 characters of CRC-32>`: the prefix and the
//! checksum let secret scanners find a leaked one without guessing.

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::entropy::Entropy;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 characters of base62 are 256 bits.
const RANDOM_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    AccessToken,
    RunRequestToken,
}

impl TokenKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "rmat_",
            Self::RunRequestToken => "rmrt_",
        }
    }
}

/// A secret in the clear. It has no `Debug`, `Display` or `Serialize`: showing it takes `expose`.
pub struct OpaqueToken(Zeroizing<String>);

/// All that is stored of a secret: SHA-256 in hexadecimal. With 256 bits of randomness inside, nothing
/// slower is needed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenHash(String);

impl OpaqueToken {
    pub fn generate(kind: TokenKind, entropy: &dyn Entropy) -> Self {
        let mut text = Zeroizing::new(String::from(kind.prefix()));
        let mut block = Zeroizing::new([0; 64]);
        while text.len() < kind.prefix().len() + RANDOM_CHARS {
            entropy.fill(block.as_mut());
            // 248 = 4 × 62: bytes above it would make some characters likelier than others.
            let wanted = kind.prefix().len() + RANDOM_CHARS - text.len();
            let even = block.iter().filter(|byte| **byte < 248).take(wanted);
            text.extend(even.map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(text)
    }

    /// The hash of `text`, if it has the form of a secret of this kind. What is malformed or mistyped
    /// is refused here, without asking the database.
    pub fn recognise(kind: TokenKind, text: &str) -> Option<TokenHash> {
        let length = kind.prefix().len() + RANDOM_CHARS + CHECKSUM_CHARS;
        if text.len() != length || !text.is_ascii() || !text.starts_with(kind.prefix()) {
            return None;
        }
        let (body, given) = text.split_at(length - CHECKSUM_CHARS);
        (checksum(body) == given).then(|| hash(text))
    }

    pub fn hash(&self) -> TokenHash {
        hash(&self.0)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TokenHash {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hash(text: &str) -> TokenHash {
    TokenHash(hex::encode(digest(&SHA256, text.as_bytes()).as_ref()))
}

fn checksum(text: &str) -> String {
    let mut rest = crc32(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

/// CRC-32 as in ISO 3309 (zip, PNG).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn crc32_matches_its_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn recognises_its_own_and_nothing_changed_cut_or_extended() {
        let secret = OpaqueToken::generate(TokenKind::AccessToken, &SystemEntropy::new());
        let text = secret.expose();
        assert_eq!(text.len(), 54);
        assert!(OpaqueToken::recognise(TokenKind::AccessToken, text) == Some(secret.hash()));
        assert!(OpaqueToken::recognise(TokenKind::RunRequestToken, text).is_none());
        for index in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[index] = if changed[index] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(OpaqueToken::recognise(TokenKind::AccessToken, &changed).is_none(), "{index}");
            assert!(OpaqueToken::recognise(TokenKind::AccessToken, &text[..index]).is_none());
        }
        assert!(OpaqueToken::recognise(TokenKind::AccessToken, &format!("{text}x")).is_none());
        assert!(OpaqueToken::recognise(TokenKind::AccessToken, &text.replace('_', "é")).is_none());
    }

    #[test]
    fn every_character_is_equally_likely() {
        let entropy = SystemEntropy::new();
        let mut counts = [0_u32; 128];
        for _ in 0..2_000 {
            let secret = OpaqueToken::generate(TokenKind::RunRequestToken, &entropy);
            secret
                .expose()
                .bytes()
                .skip(5)
                .take(RANDOM_CHARS)
                .for_each(|byte| counts[usize::from(byte)] += 1);
        }
        // 86,000 draws over 62 characters: 1,387 each, standard deviation 37. Six of them either way.
        for byte in ALPHABET {
            let count = counts[usize::from(*byte)];
            assert!((1_165..=1_609).contains(&count), "{} came {count} times", char::from(*byte));
        }
    }
}
