//! From the encodings of modules to those of JOSE.

use jsonwebtoken::jwk::Jwk;
use ring::digest::{SHA256, digest};
use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::pkcs8::der::asn1::{ObjectIdentifier, OctetStringRef, UintRef};
use rsa::pkcs8::der::{Decode, Error, Reader, SliceReader};
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::traits::PublicKeyParts;

use crate::signing::algorithm::SigningAlgorithm;
use crate::signing::jwk;

/// The named curve as in `CKA_EC_PARAMS`: the DER of object identifier `prime256v1` (RFC 5480 §2.1.1.1).
pub(super) const P_256_DER: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// 0x04 and two coordinates.
const POINT_BYTES: usize = 65;

/// A key from two big-endian numbers, with or without leading zeros.
pub(super) fn rs256_jwk(modulus: &[u8], exponent: &[u8]) -> Jwk {
    jwk::rs256(without_leading_zeros(modulus), without_leading_zeros(exponent))
}

/// A key from an uncompressed point of P-256 (SEC 1 §2.3.3): in the OCTET STRING that PKCS #11 requires, or
/// bare, as some modules return it.
pub(super) fn es256_jwk(point: &[u8]) -> Option<Jwk> {
    let point = match point.len() {
        POINT_BYTES => point,
        _ => OctetStringRef::from_der(point).ok()?.as_bytes(),
    };
    let coordinates = point.strip_prefix(&[0x04])?;
    let (x, y) = coordinates.split_first_chunk::<32>()?;
    Some(jwk::es256(x, y.try_into().ok()?))
}

/// A key from an X.509 SubjectPublicKeyInfo, if it is one of `algorithm`.
pub(super) fn jwk_of_spki(der: &[u8], algorithm: SigningAlgorithm) -> Option<Jwk> {
    match algorithm {
        SigningAlgorithm::Rs256 => {
            let key = RsaPublicKey::from_public_key_der(der).ok()?;
            Some(rs256_jwk(&key.n().to_bytes_be(), &key.e().to_bytes_be()))
        }
        SigningAlgorithm::Es256 => {
            let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
            let (key_algorithm, curve) = info.algorithm.oids().ok()?;
            let bare = info.subject_public_key.as_bytes().filter(|point| point.len() == POINT_BYTES)?;
            (key_algorithm == EC_PUBLIC_KEY && curve == Some(P_256)).then(|| es256_jwk(bare)).flatten()
        }
    }
}

/// R ‖ S, each 32 bytes (RFC 7518 §3.4), from the DER of an Ecdsa-Sig-Value (RFC 3279 §2.2.3), where a number
/// is as short as possible, and one byte longer if its first bit would read as a sign.
pub(super) fn r_and_s(der: &[u8]) -> Option<[u8; 64]> {
    let mut reader = SliceReader::new(der).ok()?;
    let (r, s): (UintRef<'_>, UintRef<'_>) =
        reader.sequence(|numbers| Ok::<_, Error>((numbers.decode()?, numbers.decode()?))).ok()?;
    reader.finish(()).ok()?;
    let mut fixed = [0; 64];
    for (half, number) in fixed.chunks_mut(32).zip([r, s]) {
        let padding = half.len().checked_sub(number.as_bytes().len())?;
        half[padding..].copy_from_slice(number.as_bytes());
    }
    Some(fixed)
}

/// The input of PKCS #1 v1.5 signatures: a DigestInfo with the SHA-256 of `input` (RFC 8017 §9.2, note 1).
pub(super) fn digest_info(input: &[u8]) -> Vec<u8> {
    const PREFIX: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    [&PREFIX, sha256(input).as_slice()].concat()
}

pub(super) fn sha256(input: &[u8]) -> Vec<u8> {
    digest(&SHA256, input).as_ref().to_vec()
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    };

    use super::*;

    #[test]
    fn leading_zeros_of_a_number_are_dropped() {
        assert_eq!(rs256_jwk(&[0, 0, 0xc0, 0, 1], &[0, 1, 0, 1]), jwk::rs256(&[0xc0, 0, 1], &[1, 0, 1]));
    }

    #[test]
    fn accepts_an_uncompressed_point_bare_or_wrapped() {
        let bare = [&[4][..], &[1; 32], &[2; 32]].concat();
        let wrapped = [&[0x04, 65][..], &bare].concat();
        let expected = Some(jwk::es256(&[1; 32], &[2; 32]));
        assert_eq!(es256_jwk(&bare), expected);
        assert_eq!(es256_jwk(&wrapped), expected);
        let compressed = [&[2][..], &[1; 32]].concat();
        let hybrid = [&[6][..], &[1; 32], &[2; 32]].concat();
        let longer = [&[0x04, 66][..], &bare, &[0]].concat();
        for wrong in [&bare[..64], &wrapped[..66], &compressed, &hybrid, &longer, &[]] {
            assert_eq!(es256_jwk(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn numbers_of_a_signature_are_padded_to_32_bytes() {
        let fixed = |r: &[u8], s: &[u8]| {
            let number = |n: &[u8]| [&[0x02, u8::try_from(n.len()).unwrap()][..], n].concat();
            let numbers = [number(r), number(s)].concat();
            r_and_s(&[&[0x30, u8::try_from(numbers.len()).unwrap()][..], &numbers].concat())
        };
        let padded = |r: &[u8], s: &[u8]| {
            let half = |n: &[u8]| [&vec![0; 32 - n.len()][..], n].concat();
            Some(<[u8; 64]>::try_from([half(r), half(s)].concat()).unwrap())
        };
        assert_eq!(fixed(&[0x7f; 32], &[1; 32]), padded(&[0x7f; 32], &[1; 32]));
        // A first bit that would look like a sign: 33 bytes.
        let signless = [&[0][..], &[0xff; 32]].concat();
        assert_eq!(fixed(&signless, &signless), padded(&[0xff; 32], &[0xff; 32]));
        // Numbers that happen to be small.
        assert_eq!(fixed(&[0, 0x80], &[1]), padded(&[0x80], &[1]));
        assert_eq!(fixed(&[3; 31], &signless), padded(&[3; 31], &[0xff; 32]));
        // Not of this curve, negative, or not DER.
        assert_eq!(fixed(&[1; 33], &[1]), None);
        assert_eq!(fixed(&[1], &[0x80]), None);
        assert_eq!(fixed(&[0, 1], &[1]), None);
        assert_eq!(fixed(&[], &[1]), None);
        assert_eq!(r_and_s(&[0x30, 3, 2, 1, 1]), None);
        assert_eq!(r_and_s(&[0x30, 6, 2, 1, 1, 2, 1, 1, 0]), None);
        assert_eq!(r_and_s(&[0; 64]), None);
    }

    /// Enough of them that some begin with a zero, which DER leaves out, and some with a set bit.
    #[test]
    fn signatures_verify_in_the_form_of_jose() {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
        let (mut short, mut signed) = (0, 0);
        for number in 0..3000_u32 {
            let input = number.to_be_bytes();
            let fixed = r_and_s(pair.sign(&random, &input).unwrap().as_ref()).unwrap();
            public.verify(&input, &fixed).unwrap();
            short += u32::from(fixed[0] == 0) + u32::from(fixed[32] == 0);
            signed += u32::from(fixed[0] >= 0x80) + u32::from(fixed[32] >= 0x80);
        }
        assert!(short > 0 && signed > 0, "{short} and {signed}");
    }
}
