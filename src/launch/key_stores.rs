//! The key stores that the settings name.

use std::sync::Arc;

use crate::config::keys::{KeySettings, SealingKeySource};
use crate::entropy::Entropy;
use crate::signing::database_keys::DatabaseKeys;
use crate::signing::key_store::{KeyStore, KeyStoreError, KeyStores};
use crate::signing::sealing::{SealingError, SealingKey, SealingKeys};

/// The sealing keys; the file of the first is made when `create` and there is none.
pub(super) fn sealing_keys(
    settings: &KeySettings,
    create: Option<&dyn Entropy>,
) -> Result<Arc<SealingKeys>, SealingError> {
    let primary = sealing_key(&settings.sealing_key, create)?;
    let others = settings.old_sealing_keys.iter().map(|source| sealing_key(source, None));
    Ok(Arc::new(SealingKeys::new(primary, others.collect::<Result<_, _>>()?)))
}

fn sealing_key(source: &SealingKeySource, create: Option<&dyn Entropy>) -> Result<SealingKey, SealingError> {
    match (source, create) {
        (SealingKeySource::Inline(text), _) => SealingKey::parse(text),
        (SealingKeySource::File(path), None) => SealingKey::from_file(path),
        (SealingKeySource::File(path), Some(entropy)) => SealingKey::from_file_or_new(path, entropy),
    }
}

pub(super) async fn open(
    settings: &KeySettings,
    sealing: Arc<SealingKeys>,
    entropy: Arc<dyn Entropy>,
) -> Result<KeyStores, KeyStoreError> {
    let database: Arc<dyn KeyStore> =
        Arc::new(DatabaseKeys::new(Arc::clone(&sealing), entropy, settings.rsa_bits));
    Ok(KeyStores::new(sealing, database, Vec::new()))
}
