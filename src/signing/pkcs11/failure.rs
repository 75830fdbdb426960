//! The return values of a token (PKCS #11 v3.1 §5.1).

use cryptoki::error::{Error, RvError};

use crate::signing::key_store::KeyStoreError;

pub(super) const STORE: &str = "pkcs11";

/// Whether a new session may succeed. Handles count, because they end with the login.
pub(super) fn is_lost(error: &Error) -> bool {
    use RvError::{
        DeviceError, DeviceRemoved, FunctionCanceled, FunctionFailed, GeneralError, KeyHandleInvalid,
        ObjectHandleInvalid, OperationActive, OperationNotInitialized, SessionClosed, SessionHandleInvalid,
        SlotIdInvalid, TokenNotPresent, TokenNotRecognized, UnknownErrorCode, UserNotLoggedIn, VendorDefined,
    };
    let Error::Pkcs11(error, _) = error else { return false };
    matches!(error, SessionHandleInvalid | SessionClosed | UserNotLoggedIn)
        || matches!(error, DeviceError | DeviceRemoved | TokenNotPresent | TokenNotRecognized | SlotIdInvalid)
        || matches!(error, KeyHandleInvalid | ObjectHandleInvalid | OperationActive | OperationNotInitialized)
        || matches!(error, GeneralError | FunctionFailed | FunctionCanceled)
        || matches!(error, VendorDefined(_) | UnknownErrorCode(_))
}

pub(super) fn is_about_the_pin(error: RvError) -> bool {
    use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked, UserPinNotInitialized};
    matches!(error, PinExpired | PinIncorrect | PinInvalid | PinLenRange | PinLocked | UserPinNotInitialized)
}

pub(super) fn failure(error: &Error) -> KeyStoreError {
    let why = name_of(error);
    if is_lost(error) { unreachable(why) } else { refused(why) }
}

/// Only the name: the library's texts are whole paragraphs of the standard.
pub(super) fn name_of(error: &Error) -> String {
    match error {
        Error::Pkcs11(error, function) => format!("C_{function:?}: {error:?}"),
        error => error.to_string(),
    }
}

pub(super) fn unreachable(why: String) -> KeyStoreError {
    KeyStoreError::Unreachable { store: STORE, why }
}

pub(super) fn refused(why: String) -> KeyStoreError {
    KeyStoreError::Refused { store: STORE, why }
}
