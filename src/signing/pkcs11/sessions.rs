//! Logged-in sessions with one token. A session runs one operation at a time, so each signing thread takes
//! one for as long as it needs it.

use std::collections::HashMap;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;

use crate::signing::key_store::KeyStoreError;
use crate::signing::pkcs11::failure::{failure, is_about_the_pin, is_lost, name_of, refused, unreachable};

/// No `Debug`: it holds a secret.
pub(super) struct Sessions {
    module: Pkcs11,
    token_label: String,
    pin: SecretString,
    idle: Mutex<Vec<OpenSession>>,
    /// Why the token refused the PIN, which is then never sent again: a few more attempts would lock the
    /// token.
    refused_pin: Mutex<Option<String>>,
}

pub(super) struct OpenSession {
    pub(super) session: Session,
    /// It logged in for its current work.
    fresh: bool,
    /// By `CKA_ID`. The handles are valid in this session only.
    private_keys: HashMap<Vec<u8>, ObjectHandle>,
}

impl Sessions {
    /// Opens the first session, so that a wrong setting fails here.
    pub(super) fn start(
        module: &Path,
        token_label: String,
        pin: SecretString,
    ) -> Result<Self, KeyStoreError> {
        let sessions = Self {
            module: load(module)?,
            token_label,
            pin,
            idle: Mutex::default(),
            refused_pin: Mutex::default(),
        };
        let first = sessions.open()?;
        sessions.put_back(first);
        Ok(sessions)
    }

    pub(super) fn mechanisms(&self) -> Result<Vec<MechanismType>, KeyStoreError> {
        self.module.get_mechanism_list(self.slot()?).map_err(|error| failure(&error))
    }

    /// Runs `work` in a session of its own. If the session turns out to be lost, because the token was
    /// removed or its login ended, `work` runs once more in a new session.
    pub(super) fn with<T>(
        &self,
        work: impl Fn(&mut OpenSession) -> Result<T, Error>,
    ) -> Result<T, KeyStoreError> {
        let idle = lock(&self.idle).pop();
        let session = idle.map_or_else(|| self.open(), Ok)?;
        match self.work_in(session, &work) {
            Err(error) if is_lost(&error) => {
                // The other sessions were lost with it. Close them before the new one opens: the token may
                // reuse one of their numbers, and closing them later would close the new session.
                drop(mem::take(&mut *lock(&self.idle)));
                self.work_in(self.open()?, &work).map_err(|error| failure(&error))
            }
            result => result.map_err(|error| failure(&error)),
        }
    }

    /// Drops the handles of a destroyed key: the token may reuse their numbers for another key.
    pub(super) fn forget(&self, id: &[u8]) {
        for session in &mut *lock(&self.idle) {
            session.private_keys.remove(id);
        }
    }

    /// A session in which an operation failed is closed: the operation may still be open in it.
    fn work_in<T>(
        &self,
        mut session: OpenSession,
        work: impl Fn(&mut OpenSession) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = work(&mut session)?;
        self.put_back(session);
        Ok(done)
    }

    fn put_back(&self, session: OpenSession) {
        lock(&self.idle).push(OpenSession { fresh: false, ..session });
    }

    fn open(&self) -> Result<OpenSession, KeyStoreError> {
        let session = self.module.open_rw_session(self.slot()?).map_err(|error| failure(&error))?;
        self.log_in(&session)?;
        Ok(OpenSession { session, fresh: true, private_keys: HashMap::new() })
    }

    /// Searched each time: a token that was removed may come back in another slot.
    fn slot(&self) -> Result<Slot, KeyStoreError> {
        let mut labels = Vec::new();
        let mut found = Vec::new();
        for slot in self.module.get_slots_with_token().map_err(|error| failure(&error))? {
            // Ignore a broken token beside ours.
            let Ok(token) = self.module.get_token_info(slot) else { continue };
            if token.token_initialized() {
                if token.label() == self.token_label {
                    found.push(slot);
                }
                labels.push(format!("`{}`", token.label()));
            }
        }
        let label = &self.token_label;
        match found[..] {
            [slot] => Ok(slot),
            [] if labels.is_empty() => Err(unreachable(format!(
                "token `{label}` was not found, and the module shows no other: attach or initialize \
                 it, and check that the module finds its own configuration"
            ))),
            [] => Err(unreachable(format!(
                "token `{label}` was not found; the module shows {}",
                labels.join(", ")
            ))),
            _ => Err(refused(format!("{} tokens have the label `{label}`; it must be unique", found.len()))),
        }
    }

    /// A login applies to all sessions of this process.
    fn log_in(&self, session: &Session) -> Result<(), KeyStoreError> {
        let mut refused_pin = lock(&self.refused_pin);
        if let Some(why) = &*refused_pin {
            return Err(refused(why.clone()));
        }
        match session.login(UserType::User, Some(&self.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(error, _)) if is_about_the_pin(error) => {
                let label = &self.token_label;
                let why = match error {
                    RvError::PinLocked => format!(
                        "the PIN of token `{label}` is locked after too many wrong attempts: the token's \
                         security officer can set a new one"
                    ),
                    RvError::PinExpired => format!("the PIN of token `{label}` has expired: set a new one"),
                    RvError::UserPinNotInitialized => format!("token `{label}` has no user PIN yet: set one"),
                    _ => format!(
                        "the PIN of token `{label}` is wrong: correct it and restart (it was tried once; \
                         more attempts could lock the token)"
                    ),
                };
                *refused_pin = Some(why.clone());
                Err(refused(why))
            }
            Err(error) => Err(failure(&error)),
        }
    }
}

impl OpenSession {
    pub(super) fn private_key(&mut self, id: &[u8]) -> Result<Option<ObjectHandle>, Error> {
        match self.private_keys.get(id) {
            Some(key) => Ok(Some(*key)),
            None => self.find_private_key(id),
        }
    }

    /// Asks the token even if a handle is known: the key may have been destroyed.
    pub(super) fn find_private_key(&mut self, id: &[u8]) -> Result<Option<ObjectHandle>, Error> {
        let found = self.find(ObjectClass::PRIVATE_KEY, id)?.first().copied();
        if let Some(key) = found {
            self.private_keys.insert(id.to_vec(), key);
        }
        Ok(found)
    }

    /// Without a login a token shows no private key and reports no error. So an empty result is trusted only
    /// in a session that has just logged in.
    pub(super) fn find(&self, class: ObjectClass, id: &[u8]) -> Result<Vec<ObjectHandle>, Error> {
        let found = self.session.find_objects(&[Attribute::Class(class), Attribute::Id(id.to_vec())])?;
        if found.is_empty() && !self.fresh {
            return Err(Error::Pkcs11(RvError::UserNotLoggedIn, Function::FindObjects));
        }
        Ok(found)
    }
}

/// The module, loaded and initialized once in this process. It is never unloaded: its own threads may run
/// until the process ends.
fn load(path: &Path) -> Result<Pkcs11, KeyStoreError> {
    static LOADED: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());
    let mut loaded = lock(&LOADED);
    if let Some((_, module)) = loaded.iter().find(|(of, _)| of == path) {
        return Ok(module.clone());
    }
    let shown = path.display();
    let module = Pkcs11::new(path).map_err(|error| match error {
        Error::LibraryLoading(cause) => refused(format!("could not load module {shown}: {cause}")),
        Error::MissingSymbol(_) => refused(format!("{shown} is not a PKCS #11 module")),
        error => failure(&error),
    })?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another path may lead to the same module.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => {
            return Err(refused(format!("could not initialize module {shown}: {}", name_of(&error))));
        }
    }
    loaded.push((path.to_owned(), module.clone()));
    Ok(module)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
