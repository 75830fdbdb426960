//! The emergency: a key is known to others. It leaves, the next one takes over, and what it signed is
//! listed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::id_token::SignedToken;
use crate::domain::page::{Page, PageRequest};
use crate::domain::signing_key::Revocation;
use crate::domain::signing_key::Which;
use crate::flows::key_timeline::not_acknowledged;
use crate::flows::make_key::{MakeKeyError, discard_key, make_key};
use crate::flows::publish_copies::publish_now;
use crate::flows::refresh_keys::refresh;
use crate::store::StoreError;

pub struct Revoked {
    pub kid: String,
    pub revoked_at: Timestamp,
    /// The key that signs instead.
    pub successor: Option<Successor>,
    /// Tokens of the key that are not expired.
    pub tokens: i64,
    /// Static copies that are not known to be without the key.
    pub copies_with_the_key: Vec<String>,
}

pub struct Successor {
    pub kid: String,
    pub signs_from: Timestamp,
    /// Processes, static copies and uploaded key sets that are not known to have it. An emergency does not
    /// wait for them: until they have it, verifiers that go by them refuse its tokens.
    pub not_acknowledged: Vec<String>,
}

#[derive(Debug, Error)]
pub enum RevokeError {
    #[error("there is no signing key of this id")]
    NoSuchKey,
    #[error("the key was revoked already, at {0}")]
    Already(Timestamp),
    #[error("the key is no longer published, so it verifies nothing")]
    NotPublished,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Revokes the key: one transaction, after which no token of it is recorded, and so none is signed.
pub async fn revoke_key(app: &App, kid: &str, by: Uuid) -> Result<Revoked, RevokeError> {
    let (_, keys) = app.store.signing_keys(Which::All).await?;
    let ring = keys.iter().find(|key| key.kid == kid).ok_or(RevokeError::NoSuchKey)?.ring;
    // Made before, so that the change itself is short. A module that is down must not stop an emergency.
    let fresh = match make_key(app, ring).await {
        Ok(fresh) => Some(fresh),
        Err(MakeKeyError::Store(error)) => return Err(error.into()),
        Err(error) => {
            tracing::error!(%error, "no new next key could be made; the scheduler will go on trying");
            None
        }
    };
    let done = app.store.revoke_key(kid.to_owned(), app.rotation, by, fresh.clone()).await?;
    let (revoked_at, successor) = match done {
        Revocation::Revoked { at, successor } => (at, successor),
        other => {
            if let Some(fresh) = &fresh {
                discard_key(app, fresh).await;
            }
            return Err(match other {
                Revocation::Already(at) => RevokeError::Already(at),
                Revocation::NotPublished => RevokeError::NotPublished,
                Revocation::NoSuchKey | Revocation::Revoked { .. } => RevokeError::NoSuchKey,
            });
        }
    };
    tracing::warn!(kid, %by, successor = successor.as_ref().map(|(kid, _)| kid), "signing key revoked");
    // Other processes read it at their next look; until then the database checks each record of theirs.
    let known = refresh(app).await;
    // Another key waits already, so that this one is not needed.
    if let (Some(fresh), Ok(served)) = (&fresh, known)
        && !served.lives.values().flatten().any(|(key, _)| key.kid == fresh.kid)
    {
        discard_key(app, fresh).await;
    }
    let copies_with_the_key = copies_with_the_key(app).await;
    let successor = match successor {
        None => None,
        Some((kid, signs_from)) => {
            let not_acknowledged = not_acknowledged(app, &kid, ring.issuer).await?;
            if !not_acknowledged.is_empty() {
                let names = not_acknowledged.join(", ");
                tracing::warn!(kid, "the successor is not known to be known to: {names}");
            }
            Some(Successor { kid, signs_from, not_acknowledged })
        }
    };
    let tokens = app.store.count_unexpired_tokens(kid, app.clock.now()).await?;
    Ok(Revoked { kid: kid.to_owned(), revoked_at, successor, tokens, copies_with_the_key })
}

/// Rewrites the static copies, and names those that are not known to be rewritten.
async fn copies_with_the_key(app: &App) -> Vec<String> {
    let mut copies: BTreeSet<String> = publish_now(app).await.into_iter().collect();
    // Includes copies that only other processes have configured.
    let known = async {
        let (revision, _) = app.store.signing_keys(Which::Published).await?;
        let records = app.store.copies().await?;
        Ok::<_, StoreError>((revision, records))
    };
    match known.await {
        Ok((now, records)) => {
            let older = records.into_iter().filter(|copy| copy.revision.is_none_or(|then| then < now));
            copies.extend(older.map(|copy| copy.target));
        }
        Err(_) => copies.extend(app.copies.names()),
    }
    copies.into_iter().collect()
}

/// The tokens of a key that are not expired, newest first.
pub async fn unexpired_tokens(
    app: &App,
    kid: &str,
    page: PageRequest,
) -> Result<Page<SignedToken>, StoreError> {
    app.store.unexpired_tokens(kid, app.clock.now(), page).await
}
