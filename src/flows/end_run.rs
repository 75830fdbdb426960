//! Ending a run. From then on it gets no token.

use thiserror::Error;
use uuid::Uuid;

use crate::app::App;
use crate::domain::run::{Ending, Run, RunState};
use crate::store::StoreError;

#[derive(Debug, Error)]
pub enum EndRunError {
    #[error("the run is already {state}: an ended run cannot change", state = .0.as_str())]
    EndedOtherwise(RunState),
    #[error("the run is gone")]
    Gone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends the run; asking for the same end again changes nothing.
pub async fn end_run(app: &App, run: Uuid, ending: Ending, by: Uuid) -> Result<Run, EndRunError> {
    let now = app.clock.now();
    let run = app.store.end_run(run, ending, by, now).await?.ok_or(EndRunError::Gone)?;
    match (run.state_at(now), ending) {
        (RunState::Finished, Ending::Finished) | (RunState::Cancelled, Ending::Cancelled) => {
            tracing::info!(run_id = %run.id, state = run.state_at(now).as_str(), "run ended");
            Ok(run)
        }
        (state, _) => Err(EndRunError::EndedOtherwise(state)),
    }
}
