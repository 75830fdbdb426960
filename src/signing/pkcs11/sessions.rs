//! Sessions with one token, logged in. A session does one thing at a time, so each thread that signs has
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
use cryptoki::types::AuthPin;

use crate::signing::key_store::KeyStoreError;
use crate::signing::pkcs11::failure::{failure, is_about_the_pin, is_lost, name_of, refused, unreachable};

/// No `Debug`: it holds a secret.
pub(super) struct Sessions {
    module: Pkcs11,
    token_label: String,
    pin: AuthPin,
    idle: Mutex<Vec<OpenSession>>,
    /// Why the token did not take the PIN. It is not shown to it again: some tries more lock the token.
    refused_pin: Mutex<Option<String>>,
}

pub(super) struct OpenSession {
    pub(super) session: Session,
    /// It has logged in for the work that it is used for now.
    fresh: bool,
    /// By `CKA_ID`. They mean nothing after this session.
    private_keys: HashMap<Vec<u8>, ObjectHandle>,
}

impl Sessions {
    /// Opens the first, so that a wrong setting shows here.
    pub(super) fn start(module: &Path, token_label: String, pin: &str) -> Result<Self, KeyStoreError> {
        let sessions = Self {
            module: load(module)?,
            token_label,
            pin: pin.into(),
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

    /// Does `work` in a session that nobody else uses. If the session turns out to be lost, because the
    /// token was away or its login has ended, it is done once more in a new one.
    pub(super) fn with<T>(
        &self,
        work: impl Fn(&mut OpenSession) -> Result<T, Error>,
    ) -> Result<T, KeyStoreError> {
        let idle = lock(&self.idle).pop();
        let session = idle.map_or_else(|| self.open(), Ok)?;
        match self.work_in(session, &work) {
            Err(error) if is_lost(&error) => {
                // The others were lost with it. They are closed before the new one opens: the token may
                // give it a number that one of them had, and would close it in their place.
                drop(mem::take(&mut *lock(&self.idle)));
                self.work_in(self.open()?, &work).map_err(|error| failure(&error))
            }
            result => result.map_err(|error| failure(&error)),
        }
    }

    /// Handles of a destroyed key: the token may give their numbers to another key.
    pub(super) fn forget(&self, id: &[u8]) {
        for session in &mut *lock(&self.idle) {
            session.private_keys.remove(id);
        }
    }

    /// A session in which something failed is closed: an operation may be left open in it.
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

    /// Looked for each time: a token that was away may be in another slot when it comes back.
    fn slot(&self) -> Result<Slot, KeyStoreError> {
        let mut labels = Vec::new();
        let mut found = Vec::new();
        for slot in self.module.get_slots_with_token().map_err(|error| failure(&error))? {
            // A broken token beside ours is not our business.
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
                "there is no token `{label}`, nor any other: attach or initialise it, and see that the \
                 module finds its own configuration"
            ))),
            [] => Err(unreachable(format!(
                "there is no token `{label}`; those that are there: {}",
                labels.join(", ")
            ))),
            _ => Err(refused(format!("{} tokens are labelled `{label}`; only one may be", found.len()))),
        }
    }

    /// One session's login is that of all sessions of this process.
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
                        "the PIN of token `{label}` is locked after too many wrong ones: the token's \
                         security officer can set a new one"
                    ),
                    RvError::PinExpired => format!("the PIN of token `{label}` has expired: set a new one"),
                    RvError::UserPinNotInitialized => format!("token `{label}` has no user PIN yet: set one"),
                    _ => format!(
                        "the PIN of token `{label}` is wrong: correct it and start again (it was tried \
                         once and is not tried any more)"
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

    /// Asks the token even if a handle is known: the key may be gone.
    pub(super) fn find_private_key(&mut self, id: &[u8]) -> Result<Option<ObjectHandle>, Error> {
        let found = self.find(ObjectClass::PRIVATE_KEY, id)?.first().copied();
        if let Some(key) = found {
            self.private_keys.insert(id.to_vec(), key);
        }
        Ok(found)
    }

    /// Without a login a token shows no private key, and calls that no error. So that there is none is
    /// believed only in a session that has just logged in.
    pub(super) fn find(&self, class: ObjectClass, id: &[u8]) -> Result<Vec<ObjectHandle>, Error> {
        let found = self.session.find_objects(&[Attribute::Class(class), Attribute::Id(id.to_vec())])?;
        if found.is_empty() && !self.fresh {
            return Err(Error::Pkcs11(RvError::UserNotLoggedIn, Function::FindObjects));
        }
        Ok(found)
    }
}

/// The module, loaded and initialised once in this process. It is never unloaded: threads of its own may
/// run to the end.
fn load(path: &Path) -> Result<Pkcs11, KeyStoreError> {
    static LOADED: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());
    let mut loaded = lock(&LOADED);
    if let Some((_, module)) = loaded.iter().find(|(of, _)| of == path) {
        return Ok(module.clone());
    }
    let shown = path.display();
    let module = Pkcs11::new(path).map_err(|error| match error {
        Error::LibraryLoading(cause) => refused(format!("the module {shown} cannot be loaded: {cause}")),
        Error::MissingSymbol(_) => refused(format!("{shown} is no PKCS #11 module")),
        error => failure(&error),
    })?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another path may lead to the same module.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => {
            return Err(refused(format!("the module {shown} does not start: {}", name_of(&error))));
        }
    }
    loaded.push((path.to_owned(), module.clone()));
    Ok(module)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
