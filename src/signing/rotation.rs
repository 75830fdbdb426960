//! The rules of key rotation. Pure: the time and the reports of other replicas are arguments, so that the
//! same rules run in service, in the simulation and in the model.
//!
//! A key is published long before it signs, so that every cache of the key set holds it by then, and stays
//! published long afterwards, so that the last token it signed verifies until it expires. The state of a key
//! follows from the times in its record alone. A change is scheduled ahead: every process that may sign has
//! read it before it takes effect.

mod alarm;
mod hold;
mod life;
mod policy;
mod step;
mod timing;

pub use self::alarm::{Alarm, alarm, uploads_due};
pub use self::hold::Hold;
pub use self::life::{KeyLife, KeyState};
pub use self::policy::{FloorError, RotationPolicy};
pub use self::step::{Step, Wish, emergency_start, next_step, promotion};
pub use self::timing::Timing;

#[cfg(test)]
mod tests;
